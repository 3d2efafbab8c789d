// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "http/message.h"
#include "net/buffer.h"
#include "proxy/filter/policy.h"
#include "proxy/stream/sides.h"
#include "telemetry/record.h"

namespace proxy {

class Stream;

struct Continue {};
// A head waits until Stream::resume_request(). A piece of a body waits in front
// of the filter, which sees it again with what comes behind it.
struct Pause {
  // Of a body: more is wanted before it goes on, so the peer may keep sending;
  // past the listener's buffer limit (Stream::set_hold_limit) the answer is 413,
  // or 500 for a response. Otherwise the sender is held back.
  bool gather = false;
  // So many of a body's first bytes go on now.
  size_t passes = 0;
  // What is left in front of the filter can become more than it is: it is shown again once what went on is little.
  bool for_room = false;
};
// Answers instead of the upstream.
struct Reply {
  int status = 200;
  std::string body;
  std::string details;  // for %RESPONSE_CODE_DETAILS%
  http::Headers headers;
  uint32_t flags = 0;                   // telemetry::Flag
  std::optional<int> grpc_status = {};  // for gRPC requests, in place of what the status means there
  bool unfiltered = false;              // no filter sees it
};
using Verdict = std::variant<Continue, Pause, Reply>;

// What a filter remembers of one stream: made by Stream::state, gone at the end
// of the turn in which the stream ended.
struct FilterState : Mortal {
  // The stream is over and its record complete: calls under way are to be given up here.
  virtual void on_end(Stream&) {}
};

// One HTTP filter as its listener configures it: immutable, shared by all
// streams of all threads. What it needs to remember of a stream is the stream's.
//
// Requests pass the filters in order, responses in reverse. Bodies and trailers
// are shown to those filters only that asked for it while they saw the head, by
// Stream::watch_request_body() in on_request and watch_response_body() in
// on_response; streams that nobody watches pay one branch.
class Filter {
 public:
  virtual ~Filter() = default;
  virtual std::string_view name() const = 0;
  virtual Verdict on_request(Stream& stream) const = 0;
  // May call Stream::hold_response() to keep the head back until resume_response().
  virtual void on_response(Stream&, http::ResponseHead&) const {}

  // `bytes` is what has come and not gone on; what the filter leaves in it after
  // Continue goes on. `end`: nothing follows, trailers neither. Continue for a
  // filter whose on_request returned Pause lets the head go first.
  virtual Verdict on_request_data(Stream&, net::Buffer& bytes, bool end) const { return Continue{}; }
  virtual Verdict on_response_data(Stream&, net::Buffer& bytes, bool end) const { return Continue{}; }
  // In place of the call with `end`: the body's last bytes and what follows them.
  // Trailers that the filter clears are not sent.
  virtual Verdict on_request_trailers(Stream&, net::Buffer& last, http::Headers& trailers) const { return Continue{}; }
  virtual Verdict on_response_trailers(Stream&, net::Buffer& last, http::Headers& trailers) const { return Continue{}; }

  // Written once, where the filter is compiled.
  Slot slot = kNone;            // of the name that its listener gives it: routes speak to it by that
  bool off_by_default = false;  // only routes that speak to it turn it on
};
// So many HTTP filters fit into one listener's chain.
inline constexpr size_t kMostFilters = 64;

struct Origin;
class Worker;

// One network filter before the last of its chain; decides whether a connection,
// its TLS handshake done, may go on.
class NetworkFilter {
 public:
  virtual ~NetworkFilter() = default;
  virtual std::string_view name() const = 0;
  // Why the connection ends here (%CONNECTION_TERMINATION_DETAILS%), or nullopt: it may go on.
  virtual std::optional<std::string> refuses(Worker&, const Origin&) const { return std::nullopt; }

  struct Refusal {
    std::string why, details;  // details: %RESPONSE_CODE_DETAILS%
    uint32_t flags = 0;        // telemetry::Flag
  };
  using Answer = std::move_only_function<void(std::optional<Refusal> refusal)>;
  // Of one that must wait to know, where refuses() says nothing: true, and `answer` is called once, later, unless the
  // connection has ended.
  virtual bool asks(Worker&, const Origin&, Answer) const { return false; }
};

}  // namespace proxy
