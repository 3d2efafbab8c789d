// SPDX-License-Identifier: Apache-2.0
#include "agent/file_secrets.h"

#include <sys/stat.h>

#include <map>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "identity/certificate.h"
#include "identity/pair.h"

namespace agent {

using base::ErrorKind;

constexpr std::string_view kPair = "file-cert:";
constexpr std::string_view kRoots = "file-root:";
constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";
constexpr size_t kMostBytes = 4 << 20;
constexpr std::chrono::milliseconds kLook{2000};

struct FileSecrets::State {
  struct One {
    std::string stamp;    // of its files when they were read
    std::string problem;  // that was logged
    bool served = false;
  };
  net::Loop& loop;
  Take take;
  Missing missing;
  std::map<std::string, One> secrets;
  bool stopped = false;
};

// Paths that a name means, in its order.
static std::vector<std::string> paths_of(const std::string& name) {
  const std::string rest = name.substr(kPair.size());
  if (name.starts_with(kRoots) && rest == "system") return {kSystemRoots};
  const size_t end = rest.find('~');
  if (end == std::string::npos) return {rest};
  return {rest.substr(0, end), rest.substr(end + 1)};
}

static base::Result<std::string> read_regular(const std::string& path) { return base::read_file(path, kMostBytes); }

bool is_file_secret(std::string_view name) { return name.starts_with(kPair) || name.starts_with(kRoots); }

base::Result<FileSecret> read_file_secret(const std::string& name) {
  const std::vector<std::string> paths = paths_of(name);
  FileSecret out{.name = name, .certificate_chain = {}, .private_key = {}, .roots = {}, .revoked = {}};
  if (name.starts_with(kPair)) {
    if (paths.size() != 2 || paths[1].find('~') != std::string::npos)
      return base::fail(ErrorKind::Invalid, "its name is not file-cert:CHAIN~KEY");
    out.certificate_chain = TRY(read_regular(paths[0]));
    out.private_key = TRY(read_regular(paths[1]));
    TRY(identity::check_pair(out.certificate_chain, out.private_key));
    return out;
  }
  out.roots = TRY(read_regular(paths[0]));
  if (auto first = identity::Certificate::from_pem(out.roots); !first)
    return base::fail(ErrorKind::Invalid, paths[0] + " has no certificate: " + first.error().message);
  if (paths.size() > 1) out.revoked = TRY(read_regular(paths[1]));
  if (paths.size() > 1)
    if (auto lists = identity::check_revocations(out.revoked); !lists)
      return base::fail(ErrorKind::Invalid, paths[1] + ": " + lists.error().message);
  return out;
}

// Differs whenever a file was written or another one took its place.
static std::string stamp_of(const std::string& name) {
  std::string out;
  for (const std::string& path : paths_of(name)) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) {
      out += "- ";
      continue;
    }
    for (auto part : {static_cast<long long>(found.st_dev), static_cast<long long>(found.st_ino),
                      static_cast<long long>(found.st_size), static_cast<long long>(found.st_mtim.tv_sec),
                      static_cast<long long>(found.st_mtim.tv_nsec), static_cast<long long>(found.st_ctim.tv_sec),
                      static_cast<long long>(found.st_ctim.tv_nsec)})
      out += std::to_string(part) + " ";
  }
  return out;
}

static void read_again(FileSecrets::State& state, const std::string& name) {
  FileSecrets::State::One& one = state.secrets[name];
  std::string stamp = stamp_of(name);
  if (stamp == one.stamp) return;
  one.stamp = std::move(stamp);
  auto secret = read_file_secret(name);
  base::Result<void> taken;
  if (secret)
    taken = state.take(*secret);
  else
    taken = std::unexpected(secret.error());
  if (taken) {
    if (!one.problem.empty()) base::log::info("secret {} is of use again", base::printable(name));
    one.problem.clear();
    one.served = true;
    return;
  }
  if (one.problem == taken.error().message) return;
  one.problem = taken.error().message;
  base::log::error("secret {} is {}: {}", base::printable(name), one.served ? "kept as it was" : "not served",
                   base::printable(one.problem));
}

static net::Task<void> keep_looking(std::shared_ptr<FileSecrets::State> state) {
  while (!state->stopped) {
    for (const auto& [name, one] : state->secrets) read_again(*state, name);
    co_await net::sleep(state->loop, kLook);
  }
}

FileSecrets::FileSecrets(net::Loop& loop, Take take, Missing missing)
    : state_(new State{.loop = loop, .take = std::move(take), .missing = std::move(missing), .secrets = {}}) {}

FileSecrets::~FileSecrets() { state_->stopped = true; }

void FileSecrets::want(const std::string& name) {
  const bool first = state_->secrets.empty();
  if (!state_->secrets.contains(name)) read_again(*state_, name);
  if (!state_->secrets[name].served) state_->missing(name);
  if (first) net::spawn(keep_looking(state_));
}

void FileSecrets::look() {
  for (const auto& [name, one] : state_->secrets) read_again(*state_, name);
}

}  // namespace agent
