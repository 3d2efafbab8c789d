// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/atomic_directory.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "localkube/process/files.h"

namespace localkube {
namespace {

namespace fs = std::filesystem;

class AtomicDirectory : public testing::Test {
 protected:
  AtomicDirectory() : directory(fs::temp_directory_path() / ("atomic_directory_test." + std::to_string(getpid()))) {}
  ~AtomicDirectory() override { fs::remove_all(directory); }
  fs::path directory;
};

TEST_F(AtomicDirectory, FilesAreReadByTheirNamesAndChangeTogether) {
  ASSERT_TRUE(write_atomically(directory, {{"a", {"1"}}, {"sub/b", {"2", 0600}}}, 0));
  EXPECT_EQ(*base::read_file(directory / "a"), "1");
  EXPECT_EQ(*base::read_file(directory / "sub" / "b"), "2");
  auto edition = fs::read_symlink(directory / "..data");
  ASSERT_TRUE(write_atomically(directory, {{"a", {"3"}}}, 0));
  EXPECT_EQ(*base::read_file(directory / "a"), "3");
  EXPECT_FALSE(fs::exists(fs::symlink_status(directory / "sub")));
  EXPECT_NE(fs::read_symlink(directory / "..data"), edition);
}

TEST_F(AtomicDirectory, TheSameFilesAgainAreNotWritten) {
  ASSERT_TRUE(write_atomically(directory, {{"a", {"1"}}}, 0));
  auto edition = fs::read_symlink(directory / "..data");
  ASSERT_TRUE(write_atomically(directory, {{"a", {"1"}}}, 0));
  EXPECT_EQ(fs::read_symlink(directory / "..data"), edition);
}

TEST_F(AtomicDirectory, APathThatLeadsOutIsRefused) {
  EXPECT_FALSE(write_atomically(directory, {{"../x", {"1"}}}, 0));
  EXPECT_FALSE(write_atomically(directory, {{"/x", {"1"}}}, 0));
}

}  // namespace
}  // namespace localkube
