// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/atomic_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/file.h"
#include "localkube/process/files.h"

namespace localkube {

namespace fs = std::filesystem;

static ProjectedFiles present_files(const fs::path& edition) {
  ProjectedFiles files;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(edition, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error)) {
    if (!at->is_regular_file(error)) continue;
    struct stat status{};
    auto bytes = base::read_file(at->path());
    if (!bytes || stat(at->path().c_str(), &status) != 0) continue;
    files[fs::relative(at->path(), edition, error).string()] = {.bytes = std::move(*bytes),
                                                                .mode = status.st_mode & 07777};
  }
  return files;
}

static base::Result<void> write_edition(const fs::path& edition, const ProjectedFiles& files, gid_t group) {
  TRY(make_directory(edition));
  for (const auto& [path, file] : files) {
    fs::path target = edition / path;
    TRY(make_directory(target.parent_path()));
    TRY(write_file(target, file.bytes, file.mode));
    if (group != 0 && chown(target.c_str(), 0, group) != 0)
      return std::unexpected(base::system_error("chown " + target.string(), errno));
  }
  return {};
}

static base::Result<void> point(const fs::path& link, const std::string& to) {
  std::string draft = link.string() + "_tmp";
  unlink(draft.c_str());
  if (symlink(to.c_str(), draft.c_str()) != 0 || rename(draft.c_str(), link.c_str()) != 0)
    return std::unexpected(base::system_error("link " + link.string(), errno));
  return {};
}

base::Result<void> write_atomically(const fs::path& directory, const ProjectedFiles& files, gid_t group) {
  for (const auto& [path, file] : files)
    for (const fs::path& piece : fs::path(path))
      if (piece == ".." || path.starts_with('/')) return base::fail(base::ErrorKind::Invalid, "invalid path " + path);
  TRY(make_directory(directory));
  fs::path data = directory / "..data";
  std::error_code error;
  fs::path before = fs::read_symlink(data, error);
  if (!error && present_files(directory / before) == files) return {};

  std::string name = ".." + std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  TRY(write_edition(directory / name, files, group));
  TRY(point(data, name));
  std::set<std::string> tops;
  for (const auto& [path, file] : files) tops.insert(fs::path(path).begin()->string());
  for (const std::string& top : tops)
    if (fs::read_symlink(directory / top, error) != fs::path("..data") / top)
      TRY(point(directory / top, "..data/" + top));
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    std::string there = entry.path().filename().string();
    if (!there.starts_with("..") && !tops.contains(there)) fs::remove(entry.path(), error);
  }
  if (!before.empty()) fs::remove_all(directory / before, error);
  return {};
}

}  // namespace localkube
