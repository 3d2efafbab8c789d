// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/address.h"
#include "net/task.h"
#include "net/tls.h"

namespace net {

// A connection for code that waits: TCP, Unix or TLS, or what is left of an
// HTTP connection after an upgrade. One reader at a time; the bytes of one write
// stay together where several write. Destroying it still sends what was written.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte, or nullopt at the peer's orderly end.
  virtual Task<base::Result<std::optional<std::string>>> read() = 0;
  // Done once the kernel, or the buffer under its limit, has all of it.
  virtual Task<base::Result<void>> write(std::string bytes) = 0;
  virtual void shutdown_write() = 0;  // no more from this side
  virtual void close() = 0;           // both ways, at once; pending reads and writes end with ErrorKind::Closed
  virtual Address remote() const = 0;
  virtual Address local() const = 0;
  virtual const TlsPeer* tls() const { return nullptr; }
};

class Loop;

// Connects, and does the TLS handshake where `tls` is given; `server_name` is
// SNI and the name that the peer's certificate must carry.
struct ConnectOptions {
  std::shared_ptr<const TlsContext> tls;
  std::string server_name;
  std::chrono::milliseconds timeout{10'000};
  std::shared_ptr<TlsMemory> memory{};  // to resume sessions of `tls`
};
Task<base::Result<std::unique_ptr<ByteStream>>> connect(Loop& loop, Address address, ConnectOptions options);
// Not a default argument: GCC 12 destroys an aggregate that is one twice within a co_await.
inline Task<base::Result<std::unique_ptr<ByteStream>>> connect(Loop& loop, Address address) {
  ConnectOptions options;
  return connect(loop, std::move(address), std::move(options));
}

struct ResolveOptions {
  int family = 0;                     // AF_INET, AF_INET6; 0: both
  std::vector<Address> servers;       // DNS servers in place of resolv.conf's
  bool servers_are_fallback = false;  // only where resolv.conf names none
  bool tcp = false;
};
struct Resolved {
  std::vector<Address> addresses;  // in the answer's order
  std::chrono::seconds ttl{0};     // the shortest; 0: not from DNS, or not to be kept
};
// As resolve(), with more to say and more to know.
Task<base::Result<Resolved>> resolve_name(Loop& loop, std::string host, uint16_t port, ResolveOptions options);

// The addresses of a host name (or of a literal address), by /etc/hosts and DNS, with `port` set.
Task<base::Result<std::vector<Address>>> resolve(Loop& loop, std::string host, uint16_t port);

}  // namespace net
