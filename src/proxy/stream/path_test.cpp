// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/path.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

std::string normal(std::string path, bool merge = false) {
  return normalize_path(path, true, merge) ? path : "refused";
}

TEST(Paths, DotSegmentsAndBackslashesAreResolved) {
  EXPECT_EQ(normal("/a/b/../c"), "/a/c");
  EXPECT_EQ(normal("/a/./b/."), "/a/b/");
  EXPECT_EQ(normal("/../../x"), "/x");
  EXPECT_EQ(normal("/a\\..\\b"), "/b");
  EXPECT_EQ(normal("/a/%2e%2E/b"), "/b") << "an encoded dot is a dot";
  EXPECT_EQ(normal("/a/.."), "/");
}

// As Envoy 1.40, but for the three that are told.
TEST(Paths, DotSegmentsWithParametersAreDotSegments) {
  EXPECT_EQ(normal("/x/..;/admin"), "/admin");
  EXPECT_EQ(normal("/x/.;a=b/admin"), "/x/admin");
  EXPECT_EQ(normal("/a/..;b;c/d"), "/d");
  EXPECT_EQ(normal("/a/..;b\\d"), "/d") << "Envoy: /";
  EXPECT_EQ(normal("/x/..;?q=1"), "/?q=1");
  EXPECT_EQ(normal("/x/...;/admin"), "/x/...;/admin");
  EXPECT_EQ(normal("/x/%2e%2e;/admin"), "/admin") << "Envoy: /x/..;/admin";
  EXPECT_EQ(normal("/x\\..;/admin"), "/admin") << "Envoy: /x/..;/admin";
  EXPECT_EQ(normal("/a;b/../c"), "/c");
}

TEST(Paths, OnlyUnreservedCharactersAreDecoded) {
  EXPECT_EQ(normal("/%41%2D%7E"), "/A-~");
  EXPECT_EQ(normal("/a%2Fb"), "/a%2Fb");
  EXPECT_EQ(normal("/x?a=/../%2e"), "/x?a=/../%2e") << "a query is left alone";
}

TEST(Paths, BrokenOnesAreRefused) {
  EXPECT_EQ(normal("/a%"), "refused");
  EXPECT_EQ(normal("/a%zz"), "refused");
  EXPECT_EQ(normal("/a%00b"), "refused");
  EXPECT_EQ(normal("/a#b"), "refused");
  EXPECT_EQ(normal("http://x/"), "refused");
}

TEST(Paths, SlashesInARowBecomeOneWhereAskedFor) {
  EXPECT_EQ(normal("//a///b"), "//a///b");
  EXPECT_EQ(normal("//a///b", true), "/a/b");
  EXPECT_EQ(normal("/x//../admin", true), "/x/admin") << "after the dots had their way, as in Envoy";
  EXPECT_EQ(normal("/x/..//admin", true), "/admin");
  EXPECT_EQ(normal("//", true), "/");
}

TEST(Paths, EscapedSlashesAreFoundBeforeTheQuery) {
  EXPECT_TRUE(has_escaped_slash("/a%2fb"));
  EXPECT_TRUE(has_escaped_slash("/a%5Cb"));
  EXPECT_FALSE(has_escaped_slash("/a?b=%2f"));
  EXPECT_EQ(unescape_slashes("/a%2fb?c=%2f"), "/a/b?c=%2f");
  EXPECT_EQ(unescape_slashes("/a%3zb"), "/a%3zb") << "two digits, or it is no escape";
  EXPECT_FALSE(has_escaped_slash("/a%3zb"));
}

}  // namespace
}  // namespace proxy
