// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/metadata.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

Metadata example() {
  Metadata out;
  out.merge("jwt", base::Json::parse(
                       R"({"payload": {"iss": "a", "groups": ["dev", "ops"], "n": 3, "on": true, "null": null}})"));
  return out;
}

MetadataMatch match(std::vector<std::string> path, ValueMatch value) {
  return {.space = "jwt", .path = std::move(path), .value = std::move(value)};
}
ValueMatch text(std::string value) { return {.kind = ValueMatch::Kind::Text, .text = {.value = std::move(value)}}; }

TEST(Metadata, AValueIsFoundByItsPathAndMatchedByItsKind) {
  Metadata metadata = example();
  EXPECT_TRUE(match({"payload", "iss"}, text("a")).matches(metadata));
  EXPECT_FALSE(match({"payload", "iss"}, text("b")).matches(metadata));
  EXPECT_FALSE(match({"payload", "n"}, text("3")).matches(metadata)) << "a number is no text";
  EXPECT_TRUE(match({"payload", "n"}, {.kind = ValueMatch::Kind::Number, .least = 3, .below = 3}).matches(metadata));
  EXPECT_FALSE(match({"payload", "n"}, {.kind = ValueMatch::Kind::Number, .least = 1, .below = 3}).matches(metadata));
  EXPECT_TRUE(match({"payload", "on"}, {.kind = ValueMatch::Kind::Bool}).matches(metadata));
  EXPECT_TRUE(match({"payload", "null"}, {.kind = ValueMatch::Kind::Null}).matches(metadata));
  EXPECT_FALSE(match({"payload", "iss", "deeper"}, text("a")).matches(metadata));
}

TEST(Metadata, AListMatchesByAnyOfItsElements) {
  ValueMatch list{.kind = ValueMatch::Kind::List};
  list.parts.push_back(text("ops"));
  EXPECT_TRUE(match({"payload", "groups"}, list).matches(example()));
  EXPECT_FALSE(match({"payload", "iss"}, list).matches(example()));
  list.parts[0] = text("root");
  EXPECT_FALSE(match({"payload", "groups"}, list).matches(example()));
}

TEST(Metadata, WhatIsNotThereMatchesOnlyInvertedOrAbsent) {
  MetadataMatch missing = match({"payload", "sub"}, text("x"));
  EXPECT_FALSE(missing.matches(example()));
  missing.invert = true;
  EXPECT_TRUE(missing.matches(example()));
  EXPECT_FALSE(match({"payload", "sub"}, {.kind = ValueMatch::Kind::Present, .flag = false}).matches(example()))
      << "as Envoy";
  EXPECT_TRUE(match({"payload", "null"}, {.kind = ValueMatch::Kind::Present}).matches(example()));
  EXPECT_FALSE(match({"payload", "sub"}, {.kind = ValueMatch::Kind::Present}).matches(Metadata{}));
}

TEST(Metadata, MergingKeepsWhatOthersWroteBeside) {
  Metadata metadata = example();
  metadata.merge("jwt", base::Json::parse(R"({"payload": {"iss": "b"}, "more": 1})"));
  EXPECT_TRUE(match({"payload", "iss"}, text("b")).matches(metadata));
  EXPECT_TRUE(match({"payload", "n"}, {.kind = ValueMatch::Kind::Present}).matches(metadata));
}

}  // namespace
}  // namespace proxy
