// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {

using telemetry::Flag;

bool Stream::may_retry() const {
  return retries_left_ && forward_ && forward_->retry && body_kept_ && !response_started_ && cluster_;
}

// One of the retries that the cluster may have under way, from its decision to the request's end, as in Envoy.
bool Stream::begin_retry() {
  end_retry();
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

// Envoy waits a random time under base * (2^n - 1), at most the maximum.
void Stream::schedule_retry() {
  --retries_left_;
  ++cluster_->counts.retries;
  phase_ = Phase::Backoff;
  host_ = nullptr;
  try_deadline_ = {};
  uint64_t steps = (1ull << std::min(attempts_, 20u)) - 1;
  uint64_t most =
      std::min<uint64_t>(forward_->retry->back_off_base.count() * steps, forward_->retry->back_off_max.count());
  resume_at_ = worker_.loop().now() + Milliseconds(most ? worker_.dice().roll() % most : 0);
  arm_timers();
}

bool Stream::retry_after_failure(const Failure& failure) {
  // A kept connection that the peer closed as the request was on its way is no failure of the peer's:
  // try once more, whatever the policy, where nothing was done with the request (RFC 9110, 9.2.2).
  if (failure.reused && failure.kind == Failure::Kind::Terminated && body_kept_ && !response_started_ && cluster_ &&
      (request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS") && attempts_ < 3) {
    phase_ = Phase::Backoff;
    resume_at_ = worker_.loop().now();
    arm_timers();
    return true;
  }
  // What the peer says in GOAWAY it did not process can go elsewhere, whatever it is (RFC 9113, 8.7).
  if (failure.unprocessed && body_kept_ && !response_started_ && cluster_ && attempts_ < 3) {
    phase_ = Phase::Backoff;
    resume_at_ = worker_.loop().now();
    arm_timers();
    return true;
  }
  if (!may_retry()) return false;
  uint32_t on = forward_->retry->on;
  bool wanted = false;
  switch (failure.kind) {
    case Failure::Kind::Connect:
    case Failure::Kind::ConnectTimeout:
      wanted = on & (RetryPolicy::kConnectFailure | RetryPolicy::k5xx | RetryPolicy::kGatewayError |
                     RetryPolicy::kReset | RetryPolicy::kResetBeforeRequest);
      break;
    case Failure::Kind::RefusedStream:
      wanted = on & (RetryPolicy::kRefusedStream | RetryPolicy::k5xx | RetryPolicy::kGatewayError |
                     RetryPolicy::kReset | RetryPolicy::kResetBeforeRequest);
      break;
    case Failure::Kind::Overflow:
      break;
    default:
      wanted = on & (RetryPolicy::kReset | RetryPolicy::k5xx | RetryPolicy::kGatewayError);
      if (!request_head_sent_) wanted |= (on & RetryPolicy::kResetBeforeRequest) != 0;
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

bool Stream::retry_after_response() {
  if (!forward_->retry) return false;
  const RetryPolicy& policy = *forward_->retry;
  int status = response.status;
  bool limited = response.headers.contains("x-envoy-ratelimited");
  bool wanted = false;
  if (status >= 500 && !limited) wanted |= (policy.on & RetryPolicy::k5xx) != 0;
  if ((status == 502 || status == 503 || status == 504) && !limited)
    wanted |= (policy.on & RetryPolicy::kGatewayError) != 0;
  if (status == 409) wanted |= (policy.on & RetryPolicy::kRetriable4xx) != 0;
  if (policy.on & RetryPolicy::kRetriableStatusCodes)
    wanted |= std::find(policy.status_codes.begin(), policy.status_codes.end(), status) != policy.status_codes.end();
  if (limited) wanted |= (policy.on & RetryPolicy::kEnvoyRatelimited) != 0;
  if (policy.on & RetryPolicy::kRetriableHeaders)
    wanted |= std::any_of(policy.header_names.begin(), policy.header_names.end(),
                          [&](const std::string& name) { return response.headers.contains(name); });
  if (grpc_)
    if (auto code = response.headers.get("grpc-status")) wanted |= (policy.on & grpc_bit(*code)) != 0;
  if (!wanted) return false;
  if (!may_retry()) {
    record.set(Flag::UpstreamRetryLimitExceeded);
    return false;
  }
  if (!begin_retry()) return false;
  release_upstream();
  schedule_retry();
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
  if (attempts_ > 1) record.set(Flag::UpstreamRetryLimitExceeded);
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
  body += reason;
  if (!failure.transport.empty()) {
    body += ", transport failure reason: ";
    body += failure.transport;
  }
  if (failure.kind == Failure::Kind::Overflow) {
    Reply answer{.status = 503, .body = std::move(body), .details = details_};
    answer.headers.add("x-envoy-overloaded", "true");
    return reply(std::move(answer));
  }
  send_reply(failure.kind == Failure::Kind::Protocol ? 502 : 503, body, details_);
}

}  // namespace proxy
