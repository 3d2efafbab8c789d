// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/error.h"

namespace localkube {

// Files that appear and change together. A reader follows ..data, a link to the
// directory of the present edition, so it sees all of the old files or all of
// the new ones; the layout is kubelet's, which programs watch for.
struct ProjectedFile {
  std::string bytes;
  mode_t mode = 0644;
  bool operator==(const ProjectedFile&) const = default;
};
using ProjectedFiles = std::map<std::string, ProjectedFile>;  // by relative path

// Does nothing where the files are there already as asked. `group`: owner of them all.
base::Result<void> write_atomically(const std::filesystem::path& directory, const ProjectedFiles& files, gid_t group);

}  // namespace localkube
