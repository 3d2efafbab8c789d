// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "http/client.h"
#include "net/byte_stream.h"
#include "net/loop.h"
#include "proxy/upstream/cluster_config.h"

namespace proxy {

// How one active check went. Network: nothing, or nothing that could be read, came back; such failures, and those
// by a status that the check calls retriable, count up to the threshold, others are the host's own word.
enum class CheckResult : uint8_t { Passed, Degraded, Failed, NetworkFailed };

// Whom to check, and over what.
struct CheckTarget {
  net::Address address;
  std::string authority;                       // of HTTP and gRPC
  std::string server_name;                     // SNI
  std::shared_ptr<const net::TlsContext> tls;  // none: clear text
  bool unready = false;                        // TLS, and its certificates are not there yet
};

// Checks one host, again and again; keeps its HTTP connection where the check says so. One check at a time.
class Checker {
 public:
  Checker(net::Loop& loop, HealthCheck check) : loop_(loop), check_(std::move(check)) {}
  net::Task<CheckResult> run(CheckTarget target);

 private:
  net::Task<CheckResult> run_http(CheckTarget target);
  net::Task<CheckResult> run_tcp(CheckTarget target);
  http::Request request_of(const CheckTarget& target) const;
  CheckResult verdict(const http::Response& response) const;

  net::Loop& loop_;
  const HealthCheck check_;
  std::unique_ptr<http::Client> client_;
  net::Address client_address_;
  std::shared_ptr<const net::TlsContext> client_tls_;
};

// Whether the pieces stand in `text` in this order, maybe with other bytes between.
bool contains_in_order(std::string_view text, const std::vector<std::string>& pieces);

}  // namespace proxy
