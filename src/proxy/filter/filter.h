// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "http/message.h"
#include "proxy/filter/policy.h"
#include "proxy/stream/sides.h"
#include "telemetry/record.h"

namespace proxy {

class Stream;

struct Continue {};
// The filter calls Stream::resume_request() later.
struct Pause {};
// Answers instead of the upstream.
struct Reply {
  int status = 200;
  std::string body;
  std::string details;  // for %RESPONSE_CODE_DETAILS%
  http::Headers headers;
  uint32_t flags = 0;   // telemetry::Flag
};
using Verdict = std::variant<Continue, Pause, Reply>;

// What a filter remembers of one stream: made by Stream::state, gone at the end
// of the turn in which the stream ended.
struct FilterState : Mortal {};

// One HTTP filter as its listener configures it: immutable, shared by all
// streams of all threads. What it needs to remember of a stream is the stream's.
class Filter {
 public:
  virtual ~Filter() = default;
  virtual std::string_view name() const = 0;
  virtual Verdict on_request(Stream& stream) const = 0;
  virtual void on_response(Stream&, http::ResponseHead&) const {}

  // Written once, where the filter is compiled.
  Slot slot = kNone;            // of the name that its listener gives it: routes speak to it by that
  bool off_by_default = false;  // only routes that speak to it turn it on
};
// So many HTTP filters fit into one listener's chain.
inline constexpr size_t kMostFilters = 64;

struct Origin;

// One network filter before the last of its chain; decides when a connection,
// its TLS handshake done, may go on.
class NetworkFilter {
 public:
  virtual ~NetworkFilter() = default;
  virtual std::string_view name() const = 0;
  virtual bool admits(const Origin& origin) const = 0;
};

}  // namespace proxy
