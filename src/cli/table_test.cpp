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

}  // namespace cli
