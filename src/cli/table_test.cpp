// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <gtest/gtest.h>

#include "cli/state.h"

namespace cli {

TEST(Table, AlignsColumnsAndLeavesNoTrailingSpace) {
  EXPECT_EQ(table({{"NAME", "AGE", "X"}, {"reviews-v1", "1m", ""}}), "NAME         AGE   X\nreviews-v1   1m\n");
}

TEST(Table, CountsCellsNotBytes) { EXPECT_EQ(table({{"✔", "b"}, {"aa", "b"}}, 1), "✔  b\naa b\n"); }

TEST(ShellQuoting, KeepsPlainWordsAndQuotesTheRest) {
  EXPECT_EQ(shell_quoted("/a/b-c_1.0"), "/a/b-c_1.0");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(Table, ATerminalIsToldNothingByWhatOthersWrote) {
  EXPECT_EQ(table({{"a\x1b[2J", "b"}}), "a\\x1b[2J   b\n");
  EXPECT_EQ(for_terminal("one\n\ttwo \\ \xc2\x9b \xff\r"), "one\n\ttwo \\ \\xc2\\x9b \\xff\\x0d");
}

}  // namespace cli
