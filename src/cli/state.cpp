// SPDX-License-Identifier: Apache-2.0
#include "cli/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>

namespace cli {

base::Result<State> state(const std::string& from_flag) {
  if (!from_flag.empty()) return State{std::filesystem::absolute(from_flag)};
  if (const char* base = std::getenv("XDG_STATE_HOME"); base && *base)
    return State{std::filesystem::path(base) / "seine"};
  if (const char* home = std::getenv("HOME"); home && *home)
    return State{std::filesystem::path(home) / ".local" / "state" / "seine"};
  return base::fail(base::ErrorKind::Invalid, "neither HOME nor XDG_STATE_HOME is set: name a directory with --state");
}

// The holder of a cluster locks the file "lock" for as long as it lives, and
// everything else of the cluster dies with it.
bool State::running() const {
  int lock = open((dir / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return errno != ENOENT && std::filesystem::exists(hold_record());
  bool held = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(lock);
  return held;
}

std::filesystem::path program(std::string_view name) {
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path(name) : self.parent_path() / name;
}

std::string shell_quoted(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return std::string(text);
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace cli
