// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/environment.h"
#include "identity/certificate.h"
#include "net/loop.h"

namespace agent {

// The workload's identity, as PEM. The key never leaves the process's memory.
struct Credentials {
  std::string certificate_chain;  // leaf first
  std::string private_key;
  std::string roots;  // of the mesh
};

// Keeps the workload's certificate fresh: a new key and CSR with the pod's token
// to the certificate authority over TLS, verified with the mesh's root; renewed
// at half its life (with jitter) or as soon as the mesh has another root, and
// tried again with back-off (50 ms to 10 s) while the authority is away. What there is stays in use meanwhile.
class Certificates {
 public:
  using Renewed = std::function<void(const Credentials&)>;
  Certificates(net::Loop& loop, const Environment& environment, Renewed renewed);
  ~Certificates();
  Certificates(const Certificates&) = delete;

  const std::optional<Credentials>& current() const;

  struct State;  // for the implementation

 private:
  std::shared_ptr<State> state_;
};

// host:port, taken apart; brackets of an IPv6 address removed.
base::Result<std::pair<std::string, uint16_t>> split_address(std::string_view address);

// The whole file; errors name it.
base::Result<std::string> read_secret(const std::string& path);

}  // namespace agent
