// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/log.h"

namespace base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Strings, SplitKeepsEmptyPieces) {
  EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split("", ','), ElementsAre(""));
}

TEST(Strings, CutStopsAtTheFirstSeparator) {
  EXPECT_EQ(cut("a=b=c", '='), std::pair(std::string_view("a"), std::string_view("b=c")));
  EXPECT_FALSE(cut("abc", '='));
}

TEST(Strings, NumbersAreTakenWholeOrNotAtAll) {
  EXPECT_EQ(parse_number<int>("-12"), -12);
  EXPECT_EQ(parse_number<uint8_t>("255"), 255);
  for (const char* text : {"", "12x", " 1", "256", "+1"}) EXPECT_FALSE(parse_number<uint8_t>(text)) << text;
}

TEST(Strings, Base64ReadsBackAndIsStrict) {
  for (std::string_view bytes :
       {std::string_view(""), std::string_view("f"), std::string_view("fo"), std::string_view("foo\0\xff", 5)}) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(from_base64url(to_base64url(bytes)), bytes);
  }
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64url("f"), "Zg");
  for (const char* text : {"Zg", "Zg=", "Zh==", "Z g==", "Zg==Zg==", "Zm9_"}) EXPECT_FALSE(from_base64(text)) << text;
  for (const char* text : {"Zg==", "Z", "Zm9+"}) EXPECT_FALSE(from_base64url(text)) << text;
}

TEST(Strings, JoinsAndTrims) {
  EXPECT_EQ(join(std::vector<std::string>{"a", "a", "b"}, ", "), "a, a, b");
  EXPECT_EQ(trim(" \ta b\r\n"), "a b");
  EXPECT_TRUE(equal_ignoring_case("Host", "hOST"));
  EXPECT_FALSE(equal_ignoring_case("Host", "Hosts"));
}

TEST(Log, EscapesWhatCouldForgeALine) {
  EXPECT_EQ(printable("a\nb").find('\n'), std::string::npos);
  EXPECT_EQ(printable("\xc3\xa9\xff\xc2\x9b"), "\xc3\xa9\\xff\\xc2\\x9b");
  EXPECT_EQ(printable("\xc3\xa9", 1), "\\xc3...");
  EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
  for (const char* bad : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_LE(printable(std::string(5000, 'x'), 100).size(), 110u);
}

Result<int> half(int value) {
  if (value % 2) return fail(ErrorKind::Invalid, "odd");
  return value / 2;
}
Result<int> quarter(int value) { return TRY(half(TRY(half(value)))); }

TEST(Result, TryGivesTheValueOrReturnsTheError) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_THAT(system_error("open /x", 2).message, HasSubstr("open /x: No such file"));
}

}  // namespace
}  // namespace base
