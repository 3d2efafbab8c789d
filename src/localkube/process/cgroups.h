// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace localkube {

// The control groups in which containers run, one each, below one group of the
// cluster's own. Version 2 where the kernel offers memory there, else version 1,
// else version 2 for the number of processes alone; below this process's own
// group where that may have children, else below the nearest above it that may.
// hold makes the cluster's group and removes it; serve finds the same one.
class Cgroups {
 public:
  struct Limits {
    int64_t bytes = 0;  // of memory; 0: no limit
    int64_t milli_cpus = 0;
    int64_t processes = 0;  // and threads
  };

  Cgroups() = default;  // where nothing can be limited
  // `mounts` is /sys/fs/cgroup, `own` the text of /proc/self/cgroup.
  static Cgroups open(const std::string& name, const std::filesystem::path& mounts, std::string_view own);
  // By this process's own group, under a name that the state directory decides.
  static Cgroups open(const std::filesystem::path& state);

  bool limits_memory() const { return !memory_.empty(); }
  bool limits_cpu() const { return !cpu_.empty(); }
  bool limits_processes() const { return !pids_.empty(); }
  // The cluster's own groups: one, or with version 1 one a controller.
  std::vector<std::filesystem::path> own() const;

  // Makes a group, or sets another's limits. A process that writes "0" to each
  // of the files given is in it from then on.
  base::Result<std::vector<std::string>> make(const std::string& group, const Limits& limits) const;
  // Whether the kernel has ended a process of the group for want of memory.
  bool ran_out_of_memory(const std::string& group) const;
  bool remove(const std::string& group) const;  // false: something still runs in it
  std::vector<std::string> groups() const;

  // Removes a cluster's groups and all in them, none of which may run any more.
  // Waits a moment for the last to go.
  static void remove_all(const std::vector<std::filesystem::path>& own);

 private:
  bool unified_ = false;  // version 2
  std::filesystem::path memory_, cpu_, pids_;
};

}  // namespace localkube
