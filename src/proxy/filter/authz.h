// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/filter/authz_network.h"
#include "proxy/filter/filter.h"
#include "proxy/route/route.h"
#include "proxy/stream/side_call.h"

namespace proxy {

// Whom an ext_authz filter asks, and what of the answer counts.
struct AuthzService {
  using Names = std::vector<StringMatch>;  // of headers, in lower case
  bool grpc = false;
  std::shared_ptr<const SideTarget> target;
  std::string authority;            // gRPC; over HTTP it is the request's own
  http::Headers to_add;             // to each check
  std::string path_prefix;          // HTTP, as what follows
  Names allowed;                    // headers that the check carries beside the usual ones
  Names upstream, upstream_append;  // of the answer, for the request
  std::optional<Names> client;      // of a refusal, for the client; none: all
  Names client_on_success;
  Names to_metadata;
};

struct AuthzBody {
  size_t most = 0;       // 0: the body is not shown
  bool partial = false;  // its beginning is enough; else 413
  bool as_bytes = false;
};

struct AuthzConfig {
  AuthzService service;
  AuthzBody body;
  std::optional<AuthzService::Names> allowed, disallowed;  // headers that any check may carry
  bool allow_on_error = false, say_so = false;             // say_so: x-envoy-auth-failure-mode-allowed
  int status_on_error = 403;
  bool clear_route_cache = false;
  uint32_t per_million = 1'000'000;
  std::optional<MetadataMatch> only_if;
  std::vector<std::string> metadata_spaces;  // that the check carries
  AuthzConnectionFacts facts;
  Slot ok = kNone, denied = kNone, error = kNone, disabled = kNone, allowed_on_error = kNone;
};

// What a route says to it.
struct AuthzPolicy final : FilterPolicy {
  bool off = false;
  std::map<std::string, std::string> extensions;  // context_extensions
  bool no_body = false;
  std::optional<AuthzBody> body;
  std::optional<AuthzService> service;
};

// Asks another service whether a request may pass, over HTTP or gRPC
// (envoy.service.auth.v3). Without its word nothing passes, unless
// failure_mode_allow says so.
class AuthzFilter final : public Filter {
 public:
  explicit AuthzFilter(AuthzConfig config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.http.ext_authz"; }
  Verdict on_request(Stream& stream) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  struct State;
  void ask(Stream& stream, std::string_view body, bool partial) const;
  void ask_http(Stream& stream, const AuthzService& service, std::string_view body, bool partial) const;
  void ask_grpc(Stream& stream, const AuthzService& service, std::string_view body, bool partial) const;
  void on_http(Stream& stream, const AuthzService& service, SideAnswer& answer) const;
  void on_grpc(Stream& stream, SideAnswer& answer) const;
  void allow(Stream& stream, bool changed) const;
  void note_duration(Stream& stream) const;
  void refuse(Stream& stream, Reply reply) const;
  void fail(Stream& stream) const;
  bool carries(const AuthzService& service, std::string_view header) const;

  AuthzConfig config_;
};

}  // namespace proxy
