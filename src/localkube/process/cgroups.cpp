// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/cgroups.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/strings.h"
#include "localkube/process/fd.h"
#include "localkube/process/files.h"

namespace localkube {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kPeriod = 100'000;    // microseconds, in which a quota of processor time is counted
constexpr int64_t kLeastQuota = 1'000;  // that the kernel takes

// The kernel's files are there already: none is made.
base::Result<void> set(const fs::path& file, const std::string& value) {
  Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
    return std::unexpected(base::system_error("write " + value + " to " + file.string(), errno));
  return {};
}

bool has_word(const fs::path& file, std::string_view word) {
  auto text = base::read_file(file);
  if (!text) return false;
  auto words = base::split(base::trim(*text), ' ');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "oom_kill 2" in a file of counters.
int64_t counter(const fs::path& file, std::string_view name) {
  auto text = base::read_file(file);
  if (!text) return 0;
  for (std::string_view line : base::split(*text, '\n'))
    if (auto pair = base::cut(line, ' '); pair && pair->first == name)
      return base::parse_number<int64_t>(pair->second).value_or(0);
  return 0;
}

bool make_group(const fs::path& path) { return mkdir(path.c_str(), 0755) == 0 || errno == EEXIST; }

// The path in a line "4:memory:/a/b" of /proc/self/cgroup; version 2 has "0::/a/b".
std::optional<std::string> path_in(std::string_view own, std::string_view controller) {
  for (std::string_view line : base::split(own, '\n')) {
    auto number = base::cut(line, ':');
    auto rest = number ? base::cut(number->second, ':') : std::nullopt;
    if (!rest) continue;
    auto names = base::split(rest->first, ',');
    if (controller.empty() ? rest->first.empty() : std::find(names.begin(), names.end(), controller) != names.end())
      return std::string(rest->second);
  }
  return std::nullopt;
}

// Whether children of this group of version 2 can be limited by the controller.
bool offers(const fs::path& parent, const char* controller) {
  if (has_word(parent / "cgroup.subtree_control", controller)) return true;
  return has_word(parent / "cgroup.controllers", controller) &&
         set(parent / "cgroup.subtree_control", std::string("+") + controller).has_value();
}

struct Place {
  fs::path group;
  bool memory = false, cpu = false, pids = false;
};

// A group that holds processes cannot have limited children, so the way leads
// up, to the first that lets the controller named be used.
std::optional<Place> place_in_version_2(const fs::path& mount, std::string_view own, const std::string& name,
                                        const char* needed) {
  auto path = path_in(own, "");
  if (!path || !fs::exists(mount / "cgroup.controllers")) return std::nullopt;
  for (fs::path at = fs::path(*path).relative_path();; at = at.parent_path()) {
    fs::path parent = mount / at, group = parent / name;
    if (offers(parent, needed) && make_group(group)) {
      auto both = [&](const char* controller) { return offers(parent, controller) && offers(group, controller); };
      if (both(needed))
        return Place{.group = group, .memory = both("memory"), .cpu = both("cpu"), .pids = both("pids")};
      rmdir(group.c_str());
    }
    if (at.empty()) return std::nullopt;
  }
}

fs::path place_in_version_1(const fs::path& mounts, std::string_view own, const std::string& name,
                            const char* controller, const char* file) {
  auto path = path_in(own, controller);
  if (!path) return {};
  fs::path group = mounts / controller / fs::path(*path).relative_path() / name;
  if (!make_group(group)) return {};
  if (access((group / file).c_str(), W_OK) == 0) return group;
  rmdir(group.c_str());
  return {};
}

}  // namespace

Cgroups Cgroups::open(const std::string& name, const fs::path& mounts, std::string_view own) {
  Cgroups made;
  auto take_version_2 = [&](const char* needed) {
    for (const fs::path& mount : {mounts, mounts / "unified"})
      if (auto place = place_in_version_2(mount, own, name, needed)) {
        made.unified_ = true;
        if (place->memory) made.memory_ = place->group;
        if (place->cpu) made.cpu_ = place->group;
        if (place->pids) made.pids_ = place->group;
        return true;
      }
    return false;
  };
  if (take_version_2("memory")) return made;
  made.memory_ = place_in_version_1(mounts, own, name, "memory", "memory.limit_in_bytes");
  made.cpu_ = place_in_version_1(mounts, own, name, "cpu", "cpu.cfs_quota_us");
  made.pids_ = place_in_version_1(mounts, own, name, "pids", "pids.max");
  if (made.own().empty()) take_version_2("pids");
  return made;
}

Cgroups Cgroups::open(const fs::path& state) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (unsigned char c : state.string()) hash = (hash ^ c) * 1099511628211u;
  auto own = base::read_file("/proc/self/cgroup");
  return own ? open(fmt::format("seine-{:016x}", hash), "/sys/fs/cgroup", *own) : Cgroups();
}

std::vector<fs::path> Cgroups::own() const {
  std::vector<fs::path> all;
  for (const fs::path& base : {memory_, cpu_, pids_})
    if (!base.empty() && std::find(all.begin(), all.end(), base) == all.end()) all.push_back(base);
  return all;
}

base::Result<std::vector<std::string>> Cgroups::make(const std::string& group, const Limits& limits) const {
  std::vector<std::string> joining;
  for (const fs::path& base : own()) {
    if (!make_group(base / group))
      return std::unexpected(base::system_error("make the group " + (base / group).string(), errno));
    joining.push_back((base / group / "cgroup.procs").string());
  }
  if (limits.bytes > 0 && limits_memory()) {
    fs::path at = memory_ / group;
    TRY(set(at / (unified_ ? "memory.max" : "memory.limit_in_bytes"), std::to_string(limits.bytes)));
    // As a kubelet: no swap, and a container ends as a whole. Old kernels lack these.
    (void)set(at / (unified_ ? "memory.swap.max" : "memory.memsw.limit_in_bytes"),
              unified_ ? "0" : std::to_string(limits.bytes));
    if (unified_) (void)set(at / "memory.oom.group", "1");
  }
  if (limits.milli_cpus > 0 && limits_cpu()) {
    std::string quota = std::to_string(std::max(limits.milli_cpus * (kPeriod / 1000), kLeastQuota));
    fs::path at = cpu_ / group;
    if (unified_) {
      TRY(set(at / "cpu.max", quota + " " + std::to_string(kPeriod)));
    } else {
      TRY(set(at / "cpu.cfs_period_us", std::to_string(kPeriod)));
      TRY(set(at / "cpu.cfs_quota_us", quota));
    }
  }
  if (limits.processes > 0 && limits_processes())
    TRY(set(pids_ / group / "pids.max", std::to_string(limits.processes)));
  return joining;
}

bool Cgroups::ran_out_of_memory(const std::string& group) const {
  return limits_memory() &&
         counter(memory_ / group / (unified_ ? "memory.events" : "memory.oom_control"), "oom_kill") > 0;
}

bool Cgroups::remove(const std::string& group) const {
  bool gone = true;
  for (const fs::path& base : own()) gone = (rmdir((base / group).c_str()) == 0 || errno == ENOENT) && gone;
  return gone;
}

std::vector<std::string> Cgroups::groups() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::path& base : own())
    for (const auto& entry : fs::directory_iterator(base, error))
      if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  return names;
}

void Cgroups::remove_all(const std::vector<fs::path>& own) {
  std::error_code error;
  for (const fs::path& base : own)
    for (int patience = 100; patience > 0 && fs::exists(base, error); --patience) {
      for (const auto& entry : fs::directory_iterator(base, error))
        if (entry.is_directory(error)) rmdir(entry.path().c_str());
      if (rmdir(base.c_str()) != 0 && errno == EBUSY) usleep(20'000);
    }
}

}  // namespace localkube
