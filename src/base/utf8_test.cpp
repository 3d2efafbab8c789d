// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Utf8, EachByteThatIsNoPartOfACharacterBecomesAnExclamationMark) {
  EXPECT_EQ(to_utf8(""), "");
  EXPECT_EQ(to_utf8("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(to_utf8("\xff\xfe\x80"
                    "abc"),
            "!!!abc");
  EXPECT_EQ(to_utf8("\xe2\x82"), "!!") << "cut off";
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), "!!!") << "half of a surrogate pair";
  EXPECT_EQ(to_utf8("\xf4\x90\x80\x80"), "!!!!") << "beyond Unicode";
  EXPECT_EQ(to_utf8("\xc0\xafz"), "!!z") << "longer than it need be";
  EXPECT_EQ(to_utf8("\xe2\x82"
                    "a\xe2\x82\xac"),
            "!!a\xe2\x82\xac");
  EXPECT_EQ(utf8_prefix("ab\xff"), 2u);
}

}  // namespace
}  // namespace base
