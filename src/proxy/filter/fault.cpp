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

// Bytes a second in KiB; nullopt: the request says none.
std::optional<uint64_t> rate_of(const Stream& stream, const FaultPolicy& policy) {
  if (!policy.rate_by_header) return policy.rate_kib;
  auto rate = number_in(stream, "x-envoy-fault-throughput-response");
  return rate && *rate ? std::optional<uint64_t>(*rate) : std::nullopt;
}

}  // namespace

struct FaultFilter::Injury : FilterState {
  ~Injury() override { heal(); }
  void on_end(Stream&) override {
    heal();
    if (timer) timer->cancel();
  }
  void heal() {
    if (auto counted = std::exchange(active, nullptr)) counted->fetch_sub(1, std::memory_order_relaxed);
  }

  std::shared_ptr<std::atomic<uint32_t>> active;
  bool delayed = false;
  std::optional<SlowBody> slow;
  std::optional<net::Timer> timer;  // until more of the body may go
};

// nullptr: as many requests as may be are injured already.
FaultFilter::Injury* FaultFilter::injure(Stream& stream, const FaultPolicy& policy) const {
  if (auto* known = stream.find_state<Injury>(*this)) return known;
  if (policy.most_active && active_->load(std::memory_order_relaxed) >= *policy.most_active) {
    stream.worker().count(counters_.overflow);
    return nullptr;
  }
  active_->fetch_add(1, std::memory_order_relaxed);
  auto& out = stream.state<Injury>(*this);
  out.active = active_;
  return &out;
}

Verdict FaultFilter::on_request(Stream& stream) const {
  const auto* own = stream.policy<FaultPolicy>(*this);
  const FaultPolicy& policy = own ? *own : policy_;
  uint32_t delayed = share_of(stream, policy.delay_per_million, policy.delay_step, policy.delay_by_header,
                              "x-envoy-fault-delay-request-percentage");
  uint32_t aborted = share_of(stream, policy.abort_per_million, policy.abort_step, policy.abort_by_header,
                              "x-envoy-fault-abort-request-percentage");
  uint32_t slowed = share_of(stream, policy.rate_per_million, policy.rate_step, policy.rate_by_header,
                             "x-envoy-fault-throughput-response-percentage");
  if (!delayed && !aborted && !slowed) return Continue{};
  if (!policy.upstream_cluster.empty() && stream.target_cluster_name() != policy.upstream_cluster) return Continue{};
  if (!policy.downstream_nodes.empty()) {
    auto node = stream.request.headers.get("x-envoy-downstream-service-node");
    if (!node || std::ranges::find(policy.downstream_nodes, *node) == policy.downstream_nodes.end()) return Continue{};
  }
  auto fits = [&](const HeaderMatch& match) { return match.matches(stream.request); };
  if (!std::all_of(policy.headers.begin(), policy.headers.end(), fits)) return Continue{};
  auto under = [&](uint32_t per_million) {
    return per_million && stream.worker().dice().roll() % 1'000'000 < per_million;
  };

  // After its delay the stream comes here again, for the abort alone.
  const auto* known = stream.find_state<Injury>(*this);
  if (!known || !known->delayed) {
    if (auto rate = rate_of(stream, policy); rate && under(slowed))
      if (Injury* injury = injure(stream, policy)) {
        stream.worker().count(counters_.slowed);
        injury->slow.emplace(*rate, stream.worker().loop().now());
      }
    auto delay = policy.delay;
    if (policy.delay_by_header)
      delay = std::chrono::milliseconds(number_in(stream, "x-envoy-fault-delay-request").value_or(0));
    if (delay.count() > 0 && under(delayed)) {
      if (Injury* injury = injure(stream, policy)) {
        injury->delayed = true;
        stream.worker().count(counters_.delays);
        stream.record.set(telemetry::Flag::DelayInjected);
        stream.wait_and_repeat(delay);
        return Pause{};
      }
    }
  }
  if (!under(aborted)) return Continue{};
  auto abort = abort_of(stream, policy);
  if (!abort || !injure(stream, policy)) return Continue{};
  stream.worker().count(counters_.aborts);
  Reply reply{.status = abort->status, .body = "fault filter abort", .details = "fault_filter_abort"};
  reply.flags = static_cast<uint32_t>(telemetry::Flag::FaultInjected);
  reply.grpc_status = abort->grpc_status;
  return reply;
}

void FaultFilter::on_response(Stream& stream, http::ResponseHead&) const {
  if (auto* injury = stream.find_state<Injury>(*this); injury && injury->slow) stream.watch_response_body();
}

Verdict FaultFilter::on_response_data(Stream& stream, net::Buffer& bytes, bool) const {
  Injury& injury = *stream.find_state<Injury>(*this);
  net::Loop& loop = stream.worker().loop();
  const auto now = loop.now();
  const size_t passes = injury.slow->take(bytes.size(), now);
  if (passes == bytes.size()) return Continue{};
  if (!injury.timer) injury.timer.emplace(loop, [this, &stream] { stream.show_response_body_again(*this); });
  injury.timer->arm(injury.slow->until_next(now));
  return Pause{.passes = passes};
}

Verdict FaultFilter::on_response_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return on_response_data(stream, last, true);
}

}  // namespace proxy
