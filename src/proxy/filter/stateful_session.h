// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "net/address.h"
#include "proxy/filter/filter.h"

namespace proxy {

// Where a session is kept: the address of its endpoint travels with the client,
// in a cookie or a header, in Envoy's forms, so that proxies may be mixed.
struct SessionKeeping final : FilterPolicy {
  bool off = false;    // of a route
  std::string header;  // lower case; or
  std::string cookie;
  std::string path;             // of the cookie
  std::string attributes;       // more of them, e.g. "; SameSite=Lax"
  std::chrono::seconds ttl{0};  // of the cookie; 0: the browser's session
  bool strict = false;          // no other endpoint will do

  // The endpoint's address as the client tells it, whatever that is; none: the session is to begin.
  std::optional<std::string> wanted(const http::RequestHead& request, std::chrono::system_clock::time_point now) const;
  void write(std::string_view address, std::chrono::system_clock::time_point now, http::Headers& headers) const;
};

// Sends a client's requests to the endpoint that its session began with.
class StatefulSessionFilter final : public Filter {
 public:
  explicit StatefulSessionFilter(std::shared_ptr<const SessionKeeping> keeping) : keeping_(std::move(keeping)) {}
  std::string_view name() const override { return "envoy.filters.http.stateful_session"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  const SessionKeeping* keeping_of(const Stream& stream) const;
  std::shared_ptr<const SessionKeeping> keeping_;  // nullptr: only routes say how
};

}  // namespace proxy
