// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/overload.h"

#include <malloc.h>

#include <algorithm>

#include "base/log.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {

double Overload::Monitor::pressure() const {
  if (connections) {
    const uint64_t limit = connections->limit.load(std::memory_order_relaxed);
    return limit ? static_cast<double>(connections->now.load(std::memory_order_relaxed)) / static_cast<double>(limit)
                 : 1;
  }
  const auto heap = mallinfo2();
  return static_cast<double>(heap.uordblks + heap.hblkhd) / static_cast<double>(heap_limit);
}

double Overload::Trigger::value(double pressure) const {
  if (pressure >= to) return 1;
  if (pressure <= from) return 0;
  return (pressure - from) / (to - from);
}

base::Result<void> Overload::add_monitor(const envoy::config::overload::v3::ResourceMonitor& from,
                                         const std::shared_ptr<ConnectionLimit>& connections) {
  Monitor out{.name = from.name()};
  const std::string type = type_of(from.typed_config());
  if (type == "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig") {
    auto heap = TRY(unpack<envoy::extensions::resource_monitors::fixed_heap::v3::FixedHeapConfig>(from.typed_config()));
    out.heap_limit = heap.max_heap_size_bytes();
    if (!out.heap_limit)
      return base::fail(base::ErrorKind::Invalid, "overload_manager: max_heap_size_bytes must be above 0");
  } else if (type == "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig") {
    auto limit =
        TRY(unpack<envoy::extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig>(
            from.typed_config()));
    if (limit.max_active_downstream_connections() <= 0)
      return base::fail(base::ErrorKind::Invalid,
                        "overload_manager: max_active_downstream_connections must be above 0");
    connections->limit = static_cast<uint64_t>(limit.max_active_downstream_connections());
    out.connections = connections;
  } else {
    return base::fail(base::ErrorKind::Invalid,
                      "overload_manager: resource monitor " + from.name() + " (" + type + ") is not known");
  }
  monitors_.push_back(std::move(out));
  pressures_.push_back({from.name(), 0});
  return {};
}

base::Result<void> Overload::add_action(const envoy::config::overload::v3::OverloadAction& from) {
  static constexpr std::pair<std::string_view, Act> kActs[] = {
      {"envoy.overload_actions.stop_accepting_requests", Act::StopRequests},
      {"envoy.overload_actions.disable_http_keepalive", Act::CloseConnections},
      {"envoy.overload_actions.reject_incoming_connections", Act::RejectConnections},
      {"envoy.overload_actions.stop_accepting_connections", Act::StopAccepting},
      {"envoy.overload_actions.shrink_heap", Act::ShrinkHeap},
  };
  auto known =
      std::find_if(std::begin(kActs), std::end(kActs), [&](const auto& act) { return act.first == from.name(); });
  if (known == std::end(kActs))
    return base::fail(base::ErrorKind::Invalid, "overload_manager: action " + from.name() + " is not known");
  if (from.has_typed_config())
    return base::fail(base::ErrorKind::Invalid,
                      "overload_manager: action " + from.name() + ": typed_config is not known");
  Action out{.act = known->second};
  for (const auto& trigger : from.triggers()) {
    auto monitor = std::find_if(monitors_.begin(), monitors_.end(),
                                [&](const Monitor& one) { return one.name == trigger.name(); });
    if (monitor == monitors_.end())
      return base::fail(base::ErrorKind::Invalid, "overload_manager: a trigger of " + from.name() + " names " +
                                                      trigger.name() + ", which is no resource monitor");
    Trigger one{.monitor = static_cast<size_t>(monitor - monitors_.begin())};
    if (trigger.has_threshold())
      one.from = one.to = trigger.threshold().value();
    else if (trigger.has_scaled())
      one.from = trigger.scaled().scaling_threshold(), one.to = trigger.scaled().saturation_threshold();
    else
      return base::fail(base::ErrorKind::Invalid,
                        "overload_manager: a trigger of " + from.name() + " is neither threshold nor scaled");
    if (!(one.from >= 0 && one.to <= 1 && (one.from < one.to || trigger.has_threshold())))
      return base::fail(base::ErrorKind::Invalid, "overload_manager: a trigger of " + from.name() +
                                                      " needs thresholds from 0 to 1, the saturating one above");
    out.triggers.push_back(one);
  }
  if (out.triggers.empty())
    return base::fail(base::ErrorKind::Invalid, "overload_manager: action " + from.name() + " has no triggers");
  actions_.push_back(std::move(out));
  levels_.push_back({from.name(), 0});
  return {};
}

base::Result<std::unique_ptr<Overload>> Overload::make(net::Loop& loop, const Config& config,
                                                       std::shared_ptr<ConnectionLimit> connections, Hands hands) {
  std::unique_ptr<Overload> out(new Overload(loop, std::move(hands)));
  if (config.loadshed_points_size())
    return base::fail(base::ErrorKind::Invalid, "overload_manager: loadshed_points are not supported");
  if (config.has_buffer_factory_config())
    return base::fail(base::ErrorKind::Invalid, "overload_manager: buffer_factory_config is not supported");
  if (config.has_refresh_interval())
    out->interval_ = std::max(milliseconds_of(config.refresh_interval()), std::chrono::milliseconds(10));
  for (const auto& monitor : config.resource_monitors()) TRY(out->add_monitor(monitor, connections));
  for (const auto& action : config.actions()) TRY(out->add_action(action));
  if (!out->actions_.empty()) out->tick();
  return out;
}

void Overload::tick() {
  look();
  timer_.arm(interval_);
}

void Overload::look() {
  for (size_t i = 0; i < monitors_.size(); ++i) pressures_[i].value = monitors_[i].pressure();
  for (size_t i = 0; i < actions_.size(); ++i) {
    double value = 0;
    for (const Trigger& trigger : actions_[i].triggers)
      value = std::max(value, trigger.value(pressures_[trigger.monitor].value));
    if ((value >= 1) != (levels_[i].value >= 1))
      base::log::warn("overload: {} {}", levels_[i].name, value >= 1 ? "acts" : "acts no more");
    levels_[i].value = value;
    const uint32_t share = value >= 1 ? OverloadState::kAll : static_cast<uint32_t>(value * OverloadState::kAll);
    switch (actions_[i].act) {
      case Act::StopRequests:
        state_->stop_requests.store(share, std::memory_order_relaxed);
        break;
      case Act::CloseConnections:
        state_->close_connections.store(share, std::memory_order_relaxed);
        break;
      case Act::RejectConnections:
        state_->reject_connections.store(share, std::memory_order_relaxed);
        break;
      case Act::StopAccepting:
        if (std::exchange(stopped_, value >= 1) != (value >= 1)) hands_.stop_accepting(stopped_);
        break;
      case Act::ShrinkHeap:
        if (value >= 1) hands_.shrink_heap();
        break;
    }
  }
}

base::StringMap<uint64_t> listener_limits_of(const RuntimeValues& runtime) {
  static constexpr std::string_view kBefore = "envoy.resource_limits.listener.", kAfter = ".connection_limit";
  base::StringMap<uint64_t> out;
  for (const auto& [key, value] : runtime) {
    std::string_view name = key;
    if (!value.has_number_value() || !name.starts_with(kBefore) || !name.ends_with(kAfter) ||
        name.size() <= kBefore.size() + kAfter.size())
      continue;
    name = name.substr(kBefore.size(), name.size() - kBefore.size() - kAfter.size());
    out[std::string(name)] = static_cast<uint64_t>(std::clamp(value.number_value(), 0.0, 4294967295.0));
  }
  return out;
}

}  // namespace proxy
