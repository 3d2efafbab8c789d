// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace base {
namespace {

TEST(Hash, XxHashGivesThePublishedValues) {
  EXPECT_EQ(xx_hash(""), 0xef46db3751d8e999u);
  EXPECT_EQ(xx_hash("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(xx_hash("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(xx_hash("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1u);
}

TEST(Hash, MurmurIsWhatTheStandardLibraryUses) {
  for (std::string text : {"", "a", "10.0.0.1:80_0", "sixteen bytes ok", "something that is longer than a few words"})
    EXPECT_EQ(murmur_hash(text), std::hash<std::string>{}(text)) << text;
}

}  // namespace
}  // namespace base
