// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>

namespace base {

// A folder of one test's own, which goes with it. The first of a fixture's
// members, so that what lies in it goes before. For tests only.
class TestFolder {
 public:
  TestFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "seine_test.XXXXXX").string();
    if (mkdtemp(path.data())) path_ = path;
  }
  ~TestFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }  // empty where none could be made

 private:
  std::filesystem::path path_;
};

}  // namespace base
