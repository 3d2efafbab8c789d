// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/json.h"
#include "localkube/fields.h"
#include "localkube/process/cgroups.h"
#include "localkube/process/files.h"
#include "localkube/process/hold.h"

namespace localkube {

// The process only if it is the one that was noted, not a later one with its
// id: first asked to end, then made to.
static base::Result<void> end_process(pid_t pid, uint64_t start) {
  if (pid <= 1 || pid == getpid()) return {};
  Fd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!handle || start_time(pid) != start) return {};
  for (auto [signal, patience] : {std::pair(SIGTERM, 12'000), std::pair(SIGKILL, 10'000)}) {
    if (syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0) != 0 && errno != ESRCH)
      return std::unexpected(base::system_error("signal process " + std::to_string(pid), errno));
    pollfd wait{.fd = handle.get(), .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, patience) == 1) return {};
  }
  return base::fail(base::ErrorKind::Timeout, "process " + std::to_string(pid) + " does not end");
}

base::Result<void> sweep(const std::filesystem::path& state) {
  auto record = base::read_file(state / "hold.json");
  if (!record) return {};
  auto json = base::parse_json(*record);
  if (json) {
    TRY(end_process(pid_t(number(*json, "pid")), uint64_t(number(*json, "start"))));
    TRY(end_process(pid_t(number(*json, "keeper")), uint64_t(number(*json, "keeper_start"))));
  }
  std::vector<std::filesystem::path> groups;
  for (const base::Json& group : json ? items(*json, "cgroups") : base::Json::array())
    if (group.is_string()) groups.emplace_back(group.get<std::string>());
  Cgroups::remove_all(groups);
  retire_file(state / "hold.json");
  return {};
}

}  // namespace localkube
