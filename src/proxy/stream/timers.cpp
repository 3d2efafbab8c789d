// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {

using telemetry::Flag;
using TimePoint = net::Clock::time_point;

// Shorter ones get a timer; longer ones are found by the worker's sweep.
static constexpr Milliseconds kShortIdle{3'000};

// gRPC's "grpc-timeout": at most eight digits and a unit.
static std::optional<Milliseconds> read_grpc_timeout(const http::Headers& headers) {
  auto text = headers.get("grpc-timeout");
  if (!text || text->size() < 2 || text->size() > 9) return std::nullopt;
  auto count = base::parse_number<uint32_t>(text->substr(0, text->size() - 1));
  if (!count) return std::nullopt;
  using std::chrono::ceil;
  switch (text->back()) {
    case 'H':
      return std::chrono::hours(*count);
    case 'M':
      return std::chrono::minutes(*count);
    case 'S':
      return std::chrono::seconds(*count);
    case 'm':
      return Milliseconds(*count);
    case 'u':
      return ceil<Milliseconds>(std::chrono::microseconds(*count));
    case 'n':
      return ceil<Milliseconds>(std::chrono::nanoseconds(*count));
    default:
      return std::nullopt;
  }
}

// At most ten years: much more than that is past the end of the clock.
static std::optional<Milliseconds> grpc_timeout_of(const http::Headers& headers) {
  auto wanted = read_grpc_timeout(headers);
  if (wanted) wanted = std::min<Milliseconds>(*wanted, std::chrono::hours(24 * 3650));
  return wanted;
}

// The other way round, in the finest unit from milliseconds up that eight digits have room for.
static std::string grpc_timeout(Milliseconds timeout) {
  constexpr int64_t kMost = 99'999'999;
  int64_t count = timeout.count();
  char unit = 'm';
  for (auto [coarser, in_it] : {std::pair('S', 1000), std::pair('M', 60), std::pair('H', 60)}) {
    if (count <= kMost) break;
    count /= in_it;
    unit = coarser;
  }
  return std::to_string(std::min(count, kMost)) + unit;
}

// As Envoy: the offset counts where something is left of the timeout, and 0 is without end.
static Milliseconds capped(Milliseconds timeout, const Forward& forward) {
  if (forward.grpc_timeout_offset < timeout) timeout -= forward.grpc_timeout_offset;
  Milliseconds most = *forward.grpc_timeout_max;
  if (most.count() && (!timeout.count() || timeout > most)) timeout = most;
  return timeout;
}

// As Envoy, which reads the newer fields in another way: 0 is over at once, and so is what the offset takes all of.
static Milliseconds duration_of(Milliseconds wanted, const Forward& forward) {
  const Milliseconds most = *forward.grpc_timeout_max;
  if (most.count() && wanted > most) wanted = most;
  return std::max(Milliseconds(0), wanted - forward.grpc_timeout_offset);
}

// Also where a filter made it gRPC (grpc_web), whose answers here are none.
static bool says_grpc(const http::RequestHead& request) {
  auto type = request.headers.get("content-type");
  return type && is_grpc_type(*type);
}

// How long the upstream may take: the route's word, and the request's headers, which go no further.
void Stream::start_timeouts(const Forward& forward) {
  if (forward.idle_timeout) idle_timeout_ = *forward.idle_timeout;
  route_timeout_ = forward.timeout;
  if (retry_) {
    try_timeout_ = retry_->per_try_timeout;
    try_idle_timeout_ = retry_->per_try_idle_timeout;
  }
  tells_grpc_timeout_ = forward.grpc_timeout_max && !forward.limits_stream && says_grpc(request);
  if (tells_grpc_timeout_) route_timeout_ = capped(grpc_timeout_of(request.headers).value_or(Milliseconds(0)), forward);
  auto take = [&](std::string_view name, Milliseconds& timeout) {
    auto text = request.headers.get(name);
    if (!text) return;
    if (auto ms = base::parse_number<uint32_t>(*text)) timeout = Milliseconds(*ms);
    request.headers.remove(name);
  };
  if (!copy_) {
    take("x-envoy-upstream-rq-timeout-ms", route_timeout_);
    take("x-envoy-upstream-rq-per-try-timeout-ms", try_timeout_);
  }
  if (route_timeout_.count() && try_timeout_ >= route_timeout_) try_timeout_ = Milliseconds(0);
  if (request_ended_ && route_timeout_.count()) route_deadline_ = worker_.loop().now() + route_timeout_;
  tell_timeout();
}

// How long this try may take, for the upstream.
void Stream::tell_timeout() {
  Milliseconds expected = try_timeout_.count() ? try_timeout_ : route_timeout_;
  if (!expected.count()) return;
  if (route_deadline_ != TimePoint{}) {
    auto left = std::chrono::duration_cast<Milliseconds>(route_deadline_ - worker_.loop().now());
    expected = std::clamp(left, Milliseconds(1), expected);
  }
  if (tells_grpc_timeout_) request.headers.set("grpc-timeout", grpc_timeout(expected));
  if (origin_->http->suppress_envoy_headers) return;
  char text[16];
  auto [end, error] = std::to_chars(text, text + sizeof text, expected.count());
  request.headers.set("x-envoy-expected-rq-timeout-ms", {text, static_cast<size_t>(end - text)});
}

// How long the whole stream may last, by its route or its listener; and how long its request.
void Stream::start_duration() {
  const HttpConfig& http = *origin_->http;
  if (http.request_timeout.count() && !request_ended_) request_deadline_ = started_ + http.request_timeout;
  std::optional<Milliseconds> most;
  if (http.max_stream_duration.count()) most = http.max_stream_duration;
  const Forward* forward = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
  if (forward) {
    if (forward->max_duration) most = forward->max_duration->count() ? forward->max_duration : std::nullopt;
    if (forward->limits_stream && forward->grpc_timeout_max)
      if (auto wanted = grpc_timeout_of(request.headers)) most = duration_of(*wanted, *forward);
    if (forward->limits_stream && most && says_grpc(request)) request.headers.set("grpc-timeout", grpc_timeout(*most));
    if (forward->idle_timeout) idle_timeout_ = *forward->idle_timeout;
    static constexpr std::string_view kWished = "x-envoy-upstream-stream-duration-ms";
    if (auto wished = request.headers.get(kWished)) {
      if (auto number = base::parse_number<uint32_t>(*wished)) most = Milliseconds(*number);
      request.headers.remove(kWished);
    }
  }
  if (most) duration_deadline_ = started_ + *most;
  if (most || request_deadline_ != TimePoint{} || (idle_timeout_.count() && idle_timeout_ < kShortIdle)) arm_timers();
}

void Stream::arm_timers() {
  TimePoint next = TimePoint::max();
  auto consider = [&next](TimePoint at) {
    if (at != TimePoint{} && at < next) next = at;
  };
  consider(duration_deadline_);
  consider(request_deadline_);
  consider(route_deadline_);
  if (phase_ == Phase::Filters || phase_ == Phase::Backoff) consider(resume_at_);
  if (!response_started_) consider(try_deadline_);
  if (try_idle_timeout_.count() && upstream_) consider(try_active() + try_idle_timeout_);
  if (idle_timeout_.count() && idle_timeout_ < kShortIdle) consider(last_active_ + idle_timeout_);
  if (next == TimePoint::max()) return timer_.cancel();
  auto now = worker_.loop().now();
  timer_.arm(next > now ? next - now : net::Clock::duration{});
}

void Stream::on_timer() {
  if (phase_ == Phase::Done) return;
  auto now = worker_.loop().now();
  auto due = [now](TimePoint at) { return at != TimePoint{} && now >= at; };
  if (due(duration_deadline_)) return on_duration();
  if (due(request_deadline_)) {
    ++counts().timed_out;
    request_deadline_ = {};
    release_upstream();
    if (response_started_) {
      record.details = "request_overall_timeout";
      downstream_->abort(*this);
      return finish();
    }
    return send_reply(request_ended_ ? 504 : 408, "request timeout", "request_overall_timeout");
  }
  if (due(route_deadline_)) return on_route_timeout();
  if (phase_ == Phase::Filters && due(resume_at_)) {
    if (Link<AwaitingHost>::linked()) return give_up_host();
    resume_at_ = {};
    resume_request();
    if (phase_ == Phase::Filters) arm_timers();
    return;
  }
  if (phase_ == Phase::Backoff && due(resume_at_)) {
    resume_at_ = {};
    return start_attempt();
  }
  if (!response_started_ && due(try_deadline_)) {
    if (cluster_) ++cluster_->counts.per_try_timeouts;
    return on_try_timeout("upstream_per_try_timeout");
  }
  if (try_idle_timeout_.count() && upstream_ && now >= try_active() + try_idle_timeout_) {
    if (cluster_) ++cluster_->counts.per_try_idle_timeouts;
    return on_try_timeout("upstream_per_try_idle_timeout");
  }
  if (idle_timeout_.count() && now >= last_active_ + idle_timeout_) return on_idle();
  arm_timers();
}

void Stream::on_try_timeout(std::string_view details) {
  if (host_) ++host_->requests_timed_out;
  if (cluster_ && host_) cluster_->report(*host_, Outcome::Timeout);
  try_deadline_ = {};
  bool wanted = retry_ && (retry_->on & (RetryPolicy::k5xx | RetryPolicy::kGatewayError | RetryPolicy::kReset));
  release_upstream();
  if (response_started_) {
    record.set(Flag::UpstreamRequestTimeout);
    record.details = details;
    downstream_->abort(*this);
    return finish();
  }
  timed_out_ = true;
  if (wanted && !response_held_ && begin_retry()) return schedule_retry();
  record.set(Flag::UpstreamRequestTimeout);
  answer_for_upstream(504, "upstream request timeout", details);
}

void Stream::on_route_timeout() {
  if (cluster_) ++cluster_->counts.timeouts;
  if (host_) ++host_->requests_timed_out;
  if (cluster_ && host_) cluster_->report(*host_, Outcome::Timeout);
  release_upstream();
  record.set(Flag::UpstreamRequestTimeout);
  if (response_started_) {
    record.details = "response_timeout";
    downstream_->abort(*this);
    return finish();
  }
  // A caller may wish for 204 in place of 504.
  bool quietly = request.headers.contains("x-envoy-upstream-rq-timeout-alt-response");
  if (quietly) return answer_for_upstream(204, {}, "response_timeout");
  answer_for_upstream(504, "upstream request timeout", "response_timeout");
}

void Stream::on_duration() {
  ++counts().too_long;
  attempts_ = 0;  // as Envoy: what the router does not say tells of no attempts
  release_upstream();
  if (response_started_) {
    record.details = "max_duration_timeout";
    downstream_->abort(*this);
    return finish();
  }
  Reply answer{
      .status = request_ended_ ? 504 : 408, .body = "downstream duration timeout", .details = "max_duration_timeout"};
  answer.grpc_status = 4;  // DEADLINE_EXCEEDED
  reply(std::move(answer));
}

void Stream::on_idle() {
  ++counts().idle;
  attempts_ = 0;
  record.set(Flag::StreamIdleTimeout);
  if (response_started_) {
    record.details = "stream_idle_timeout";
    downstream_->abort(*this);
    return finish();
  }
  send_reply(request_ended_ ? 504 : 408, "stream timeout", "stream_idle_timeout");
}

void Stream::sweep(TimePoint now) {
  if (phase_ == Phase::Idle || phase_ == Phase::Done) return;
  if (idle_timeout_.count() && now >= last_active_ + idle_timeout_) on_idle();
}

}  // namespace proxy
