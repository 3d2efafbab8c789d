// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {

using telemetry::Flag;

static constexpr uint32_t kAllGrpc = RetryPolicy::kGrpcCancelled | RetryPolicy::kGrpcDeadlineExceeded |
                                     RetryPolicy::kGrpcInternal | RetryPolicy::kGrpcResourceExhausted |
                                     RetryPolicy::kGrpcUnavailable;

// The route's policy, with what the request's own headers add to it; those go no further (as Envoy).
void Stream::prepare_retries(const Forward& forward) {
  retry_ = forward.retry ? &*forward.retry : nullptr;
  retries_left_ = 0;
  keep_limit_ = forward.body_limit.value_or(hold_limit());
  if (copy_ || upgrade_) return void(retry_ = nullptr);
  bool asked = false;
  for (auto field : request.headers) {
    if (!field.name.starts_with("x-envoy-")) continue;
    std::string_view rest = field.name.substr(8);
    asked |= rest.starts_with("ret") || rest == "max-retries" || rest.starts_with("hedge-");
  }
  if (asked) merge_retry_headers(forward);
  if (!retry_) return;
  const auto& wanted = retry_->request_headers;
  if (!wanted.empty() &&
      std::none_of(wanted.begin(), wanted.end(), [&](const HeaderMatch& match) { return match.matches(request); }))
    return void(retry_ = nullptr);
  if (retry_->on) retries_left_ = retry_->retries;
}

void Stream::merge_retry_headers(const Forward& forward) {
  http::Headers& headers = request.headers;
  auto on = headers.get("x-envoy-retry-on"), grpc_on = headers.get("x-envoy-retry-grpc-on");
  if (on || grpc_on || (retry_ && retry_->on)) {
    own_retry_ = std::make_unique<RetryPolicy>(forward.retry ? *forward.retry : RetryPolicy{});
    RetryPolicy& policy = *own_retry_;
    if (on) policy.on |= RetryPolicy::on_of(*on);
    if (grpc_on) policy.on |= RetryPolicy::grpc_on_of(*grpc_on);
    if (auto most = headers.get("x-envoy-max-retries"))
      if (auto number = base::parse_number<uint32_t>(*most)) policy.retries = *number;
    if (auto codes = headers.get("x-envoy-retriable-status-codes"))
      for (std::string_view code : base::split(*codes, ','))
        if (auto number = base::parse_number<int>(base::trim(code))) policy.status_codes.push_back(*number);
    if (auto names = headers.get("x-envoy-retriable-header-names"))
      for (std::string_view name : base::split(*names, ','))
        policy.headers.push_back({.name = base::to_lower(base::trim(name))});
    retry_ = own_retry_.get();
  }
  for (std::string_view name :
       {"x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries", "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names", "x-envoy-hedge-on-per-try-timeout"})
    headers.remove(name);
}

// One of the retries that the cluster may have under way, from its decision to the request's end, as in Envoy.
bool Stream::begin_retry() {
  if (!forward_ || !retry_ || !body_kept_ || response_started_ || !cluster_) return false;
  end_retry();
  if (!retries_left_) {
    record.set(Flag::UpstreamRetryLimitExceeded);
    ++cluster_->counts.retry_limit_exceeded;
    return false;
  }
  retry_counted_ = cluster_->take_retry(high_priority());
  if (!retry_counted_) {
    ++cluster_->counts.retry_overflow;
    record.set(Flag::UpstreamOverflow);
  }
  return retry_counted_;
}

void Stream::end_retry() {
  if (std::exchange(retry_counted_, false)) cluster_->give_back(Limited::Retries, high_priority());
}

void Stream::schedule_retry(net::Clock::duration delay) {
  --retries_left_;
  ++cluster_->counts.retries;
  phase_ = Phase::Backoff;
  host_ = nullptr;
  try_deadline_ = {};
  resume_at_ = worker_.loop().now() + delay;
  arm_timers();
}

// Envoy waits a random time under base * (2^n - 1), at most the maximum.
void Stream::schedule_retry() {
  ++cluster_->counts.back_offs;
  uint64_t steps = (1ull << std::min(attempts_, 20u)) - 1;
  uint64_t most = std::min<uint64_t>(static_cast<uint64_t>(retry_->back_off_base.count()) * steps,
                                     static_cast<uint64_t>(retry_->back_off_max.count()));
  schedule_retry(Milliseconds(most ? worker_.dice().roll() % most : 0));
}

// Up to half as long again as the upstream says, so that not all come back at once.
net::Clock::duration Stream::wished_delay() const {
  for (const RetryPolicy::ResetHeader& header : retry_->reset_headers) {
    auto text = response.headers.get(header.name);
    auto number = text ? base::parse_number<int64_t>(*text) : std::nullopt;
    if (!number || *number < 0) continue;
    int64_t seconds = *number;
    if (header.unix_time) seconds -= std::chrono::system_clock::to_time_t(worker_.wall_clock());
    if (seconds <= 0 || seconds > retry_->reset_max.count() / 1000) continue;
    return Milliseconds(seconds * 1000 + worker_.dice().roll() % (seconds * 500 + 1));
  }
  return {};
}

bool Stream::retry_after_failure(const Failure& failure) {
  // A kept connection that the peer closed as a safe request was on its way is no failure of the peer's
  // (RFC 9110, 9.2.2), and what it says in GOAWAY it did not process can go elsewhere, whatever it is
  // (RFC 9113, 8.7): both go once more, at once and whatever the policy.
  const bool safe = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
  const bool untouched = failure.unprocessed || (safe && failure.reused && failure.kind == Failure::Kind::Terminated);
  if (untouched && body_kept_ && !response_started_ && cluster_ && attempts_ < 3) {
    phase_ = Phase::Backoff;
    resume_at_ = worker_.loop().now();
    arm_timers();
    return true;
  }
  if (!retry_) return false;
  uint32_t on = retry_->on;
  // A reset counts as the 5xx that it ends in.
  bool wanted = on & (RetryPolicy::kReset | RetryPolicy::k5xx | RetryPolicy::kGatewayError);
  if (!request_head_sent_) wanted |= (on & RetryPolicy::kResetBeforeRequest) != 0;
  switch (failure.kind) {
    case Failure::Kind::Connect:
    case Failure::Kind::ConnectTimeout:
      wanted |= (on & RetryPolicy::kConnectFailure) != 0;
      break;
    case Failure::Kind::RefusedStream:
      wanted |= (on & RetryPolicy::kRefusedStream) != 0;
      break;
    case Failure::Kind::Overflow:
      wanted = false;
      break;
    default:
      break;
  }
  if (!wanted || !begin_retry()) return false;
  schedule_retry();
  return true;
}

static uint32_t grpc_bit(std::string_view status) {
  switch (base::parse_number<int>(status).value_or(-1)) {
    case 1:
      return RetryPolicy::kGrpcCancelled;
    case 4:
      return RetryPolicy::kGrpcDeadlineExceeded;
    case 8:
      return RetryPolicy::kGrpcResourceExhausted;
    case 13:
      return RetryPolicy::kGrpcInternal;
    case 14:
      return RetryPolicy::kGrpcUnavailable;
    default:
      return 0;
  }
}

bool Stream::wants_retry() const {
  const RetryPolicy& policy = *retry_;
  int status = response.status;
  // One rule over all others: who is rate limited is asked again only where that is said.
  if (response.headers.contains("x-envoy-ratelimited")) return policy.on & RetryPolicy::kEnvoyRatelimited;
  if (status >= 500 && status < 600 && (policy.on & RetryPolicy::k5xx)) return true;
  if (status >= 502 && status <= 504 && (policy.on & RetryPolicy::kGatewayError)) return true;
  if (status == 409 && (policy.on & RetryPolicy::kRetriable4xx)) return true;
  if ((policy.on & RetryPolicy::kRetriableStatusCodes) &&
      std::find(policy.status_codes.begin(), policy.status_codes.end(), status) != policy.status_codes.end())
    return true;
  if ((policy.on & RetryPolicy::kRetriableHeaders) &&
      std::any_of(policy.headers.begin(), policy.headers.end(),
                  [&](const HeaderMatch& match) { return match.matches(response); }))
    return true;
  if (policy.on & kAllGrpc)
    if (auto code = response.headers.get("grpc-status")) return policy.on & grpc_bit(*code);
  return false;
}

bool Stream::retry_after_response() {
  if (!wants_retry() || !begin_retry()) return false;
  cluster_->counts.retried.add(response.status);
  release_upstream();
  const auto delay = wished_delay();
  if (delay.count() == 0) {
    schedule_retry();
  } else {
    ++cluster_->counts.wished_back_offs;
    schedule_retry(delay);
  }
  return true;
}

void Stream::fail_with(const Failure& failure) {
  std::string_view reason;
  switch (failure.kind) {
    case Failure::Kind::Connect:
      record.set(Flag::UpstreamConnectionFailure);
      reason = "remote connection failure";
      break;
    case Failure::Kind::ConnectTimeout:
      record.set(Flag::UpstreamConnectionFailure);
      reason = "connection timeout";
      break;
    case Failure::Kind::Terminated:
      record.set(Flag::UpstreamTermination);
      reason = "connection termination";
      break;
    case Failure::Kind::RemoteReset:
      record.set(Flag::UpstreamRemoteReset);
      reason = "remote reset";
      break;
    case Failure::Kind::RefusedStream:
      record.set(Flag::UpstreamRemoteReset);
      reason = "remote refused stream reset";
      break;
    case Failure::Kind::Protocol:
      record.set(Flag::UpstreamProtocolError);
      reason = "protocol error";
      break;
    case Failure::Kind::Overflow:
      record.set(Flag::UpstreamOverflow);
      reason = "overflow";
      break;
  }
  details_ = response_started_ ? "upstream_reset_after_response_started{" : "upstream_reset_before_response_started{";
  for (char c : reason) details_ += c == ' ' ? '_' : c;
  if (!failure.transport.empty()) {
    details_ += '|';
    for (char c : failure.transport) details_ += c == ' ' ? '_' : c;
  }
  details_ += '}';
  if (response_started_) {
    record.details = details_;
    downstream_->abort(*this);
    return finish();
  }
  std::string body = "upstream connect error or disconnect/reset before headers. ";
  if (attempts_ > 1) body += "retried and the latest ";
  body += "reset reason: ";
  body += reason;  // what the transport said is for the log, not for strangers
  if (failure.kind == Failure::Kind::Overflow) {
    cluster_->counts.answers.add(503);
    Reply answer{.status = 503, .body = std::move(body), .details = details_};
    answer.headers.add("x-envoy-overloaded", "true");
    return reply(std::move(answer));
  }
  answer_for_upstream(failure.kind == Failure::Kind::Protocol ? 502 : 503, body, details_);
}

void Stream::answer_for_upstream(int status, std::string_view body, std::string_view details) {
  if (cluster_) cluster_->counts.answers.add(status);
  send_reply(status, body, details);
}

}  // namespace proxy
