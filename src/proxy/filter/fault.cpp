// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/fault.h"

#include <algorithm>

#include "proxy/stream/stream.h"

namespace proxy {

Verdict FaultFilter::on_request(Stream& stream) const {
  const auto* own = stream.policy<FaultPolicy>(*this);
  const FaultPolicy& policy = own ? *own : policy_;
  if (!policy.delay_per_million && !policy.abort_per_million) return Continue{};
  auto fits = [&](const HeaderMatch& match) { return match.matches(stream.request); };
  if (!std::all_of(policy.headers.begin(), policy.headers.end(), fits)) return Continue{};
  auto under = [&](uint32_t per_million) {
    return per_million && stream.worker().dice().roll() % 1'000'000 < per_million;
  };

  // After its delay the stream comes here again, for the abort alone.
  if (!stream.record.has(telemetry::Flag::DelayInjected) && policy.delay.count() > 0 &&
      under(policy.delay_per_million)) {
    stream.record.set(telemetry::Flag::DelayInjected);
    stream.wait_and_repeat(policy.delay);
    return Pause{};
  }
  if (!under(policy.abort_per_million)) return Continue{};
  Reply reply{.status = policy.abort_status ? policy.abort_status : 200,
              .body = "fault filter abort",
              .details = "fault_filter_abort"};
  reply.flags = static_cast<uint32_t>(telemetry::Flag::FaultInjected);
  reply.grpc_status = policy.abort_grpc_status;
  return reply;
}

}  // namespace proxy
