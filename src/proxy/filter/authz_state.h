// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/filter/authz.h"
#include "proxy/stream/stream.h"

namespace proxy {

// A header that the authorization service wants changed.
struct AuthzChange {
  enum class How : uint8_t { Append, AppendIfPresent, AddIfAbsent, Overwrite, OverwriteIfPresent };
  std::string name, value;
  How how = How::Overwrite;

  void apply(http::Headers& headers) const {
    bool there = headers.contains(name);
    if ((how == How::AddIfAbsent && there) || (how == How::OverwriteIfPresent && !there)) return;
    if (how == How::AppendIfPresent) {
      if (there) append_to(headers, name, value, ",");
      return;
    }
    if (how == How::Append)
      headers.add(name, value);
    else
      headers.set(name, value);
  }
};

struct AuthzState : FilterState {
  const AuthzPolicy* policy = nullptr;
  std::map<std::string, std::string> extensions;
  AuthzBody body;
  bool asked = false, decided = false;
  bool shown = false;    // the check carries a body, or its beginning
  size_t body_came = 0;  // then: so much of it had come
  net::Clock::time_point asked_at{};
  std::vector<AuthzChange> to_client;  // with the upstream's response
  std::optional<SideCall> call;
  void on_end(Stream&) override {
    if (call) call->cancel();
  }
};
struct AuthzFilter::State final : AuthzState {};

}  // namespace proxy
