// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/fault.h"

#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {

namespace {

std::optional<uint32_t> number_in(const Stream& stream, std::string_view header) {
  auto text = stream.request.headers.get(header);
  return text ? base::parse_number<uint32_t>(*text) : std::nullopt;
}

// The share that is configured, or less where the request says so.
uint32_t share_of(const Stream& stream, uint32_t per_million, uint32_t step, bool by_header, std::string_view header) {
  auto wanted = by_header ? number_in(stream, header) : std::nullopt;
  return wanted ? static_cast<uint32_t>(std::min<uint64_t>(uint64_t{*wanted} * step, per_million)) : per_million;
}

struct Abort {
  int status = 0;
  std::optional<int> grpc_status;
};

// As Envoy: HTTP's status before gRPC's; what is none aborts nothing.
std::optional<Abort> abort_of(const Stream& stream, const FaultPolicy& policy) {
  if (!policy.abort_by_header) return Abort{policy.abort_status ? policy.abort_status : 200, policy.abort_grpc_status};
  if (auto status = number_in(stream, "x-envoy-fault-abort-request"); status && *status >= 200 && *status < 600)
    return Abort{static_cast<int>(*status), std::nullopt};
  if (auto status = number_in(stream, "x-envoy-fault-abort-grpc-request")) return Abort{200, static_cast<int>(*status)};
  return std::nullopt;
}

}  // namespace

Verdict FaultFilter::on_request(Stream& stream) const {
  const auto* own = stream.policy<FaultPolicy>(*this);
  const FaultPolicy& policy = own ? *own : policy_;
  uint32_t delayed = share_of(stream, policy.delay_per_million, policy.delay_step, policy.delay_by_header,
                              "x-envoy-fault-delay-request-percentage");
  uint32_t aborted = share_of(stream, policy.abort_per_million, policy.abort_step, policy.abort_by_header,
                              "x-envoy-fault-abort-request-percentage");
  if (!delayed && !aborted) return Continue{};
  if (!policy.upstream_cluster.empty() && stream.target_cluster_name() != policy.upstream_cluster) return Continue{};
  auto fits = [&](const HeaderMatch& match) { return match.matches(stream.request); };
  if (!std::all_of(policy.headers.begin(), policy.headers.end(), fits)) return Continue{};
  auto under = [&](uint32_t per_million) {
    return per_million && stream.worker().dice().roll() % 1'000'000 < per_million;
  };

  // After its delay the stream comes here again, for the abort alone.
  auto delay = policy.delay;
  if (policy.delay_by_header)
    delay = std::chrono::milliseconds(number_in(stream, "x-envoy-fault-delay-request").value_or(0));
  if (!stream.record.has(telemetry::Flag::DelayInjected) && delay.count() > 0 && under(delayed)) {
    stream.record.set(telemetry::Flag::DelayInjected);
    stream.wait_and_repeat(delay);
    return Pause{};
  }
  if (!under(aborted)) return Continue{};
  auto abort = abort_of(stream, policy);
  if (!abort) return Continue{};
  Reply reply{.status = abort->status, .body = "fault filter abort", .details = "fault_filter_abort"};
  reply.flags = static_cast<uint32_t>(telemetry::Flag::FaultInjected);
  reply.grpc_status = abort->grpc_status;
  return reply;
}

}  // namespace proxy
