// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "http/message.h"
#include "proxy/filter/filter.h"
#include "proxy/stream/side_call.h"

namespace envoy::service::auth::v3 {
class AttributeContext;
}

namespace proxy {

// What a check says of a connection, whichever filter asks: both ends, who they are, its TLS session.
struct AuthzConnectionFacts {
  bool certificate = false, tls_session = false;
  void describe(const Origin& origin, envoy::service::auth::v3::AttributeContext& out) const;
};

// Asks another service over gRPC (envoy.service.auth.v3) whether a connection may go on, before anything of it
// reaches an upstream. Without its word it ends, unless failure_mode_allow says so.
class AuthzNetworkFilter final : public NetworkFilter {
 public:
  struct Config {
    std::shared_ptr<const SideTarget> target;
    std::string authority;
    http::Headers to_add;
    bool allow_on_error = false;
    AuthzConnectionFacts facts;
    Slot total = kNone, ok = kNone, denied = kNone, error = kNone, allowed_on_error = kNone, closed = kNone;
  };
  explicit AuthzNetworkFilter(Config config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.network.ext_authz"; }
  bool asks(Worker& worker, const Origin& origin, Answer answer) const override;

 private:
  std::optional<Refusal> judge(Worker& worker, const SideAnswer& answer) const;

  const Config config_;
};

}  // namespace proxy
