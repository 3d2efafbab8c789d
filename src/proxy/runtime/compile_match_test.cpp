// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/compile.h"

#include <gtest/gtest.h>

namespace proxy {
namespace {

TEST(CompileRegex, AnErrorDoesNotRepeatAllOfTheExpression) {
  auto regex = compile_regex(std::string(300'000, '('));
  ASSERT_FALSE(regex);
  EXPECT_LT(regex.error().message.size(), 1000u);
  EXPECT_TRUE(regex.error().message.contains("(300000 bytes)")) << regex.error().message;
}

}  // namespace
}  // namespace proxy
