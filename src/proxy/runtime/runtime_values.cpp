// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/runtime_values.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <memory>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"

namespace proxy {
namespace {

namespace pb = google::protobuf;
namespace core = envoy::config::core::v3;
using envoy::type::v3::FractionalPercent;

class Settle {
 public:
  explicit Settle(const RuntimeValues& values) : values_(values) {}

  bool in(pb::Message& message) {
    if (auto* any = dynamic_cast<pb::Any*>(&message)) return inside(*any);
    bool changed = known(message);
    const pb::Reflection& reflection = *message.GetReflection();
    std::vector<const pb::FieldDescriptor*> set;
    reflection.ListFields(message, &set);
    for (const pb::FieldDescriptor* field : set) {
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        changed |= in(*reflection.MutableMessage(&message, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i)
        changed |= in(*reflection.MutableRepeatedMessage(&message, field, i));
    }
    return changed;
  }

 private:
  bool inside(pb::Any& any) {
    std::string_view type = any.type_url();
    type.remove_prefix(std::min(type.rfind('/') + 1, type.size()));
    const auto* descriptor = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(type));
    if (!descriptor || depth_ >= kMostAnys) return false;
    std::unique_ptr<pb::Message> content(pb::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
    if (!content->ParseFromString(any.value())) return false;
    ++depth_;
    const bool changed = in(*content);
    --depth_;
    if (!changed) return false;
    any.set_value(content->SerializeAsString());
    return true;
  }

  const pb::Value* find(std::string_view key) const {
    auto it = key.empty() ? values_.end() : values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
  }

  std::optional<double> number(std::string_view key) const {
    const pb::Value* value = find(key);
    return value && value->has_number_value() ? std::optional(value->number_value()) : std::nullopt;
  }

  std::optional<uint32_t> whole(std::string_view key) const {
    auto value = number(key);
    if (!value || *value < 0 || *value > 4294967295.0 || *value != std::trunc(*value)) return std::nullopt;
    return static_cast<uint32_t>(*value);
  }

  // A number is of a hundred.
  std::optional<FractionalPercent> fraction(std::string_view key) const {
    const pb::Value* value = find(key);
    if (!value) return std::nullopt;
    if (auto given = runtime_fraction(*value)) return given;
    auto percent = whole(key);
    if (!percent) return std::nullopt;
    FractionalPercent out;
    out.set_numerator(std::min(*percent, 100u));
    return out;
  }

  // Whether one of these was the message, and changed.
  bool known(pb::Message& message) const {
    if (auto* one = dynamic_cast<core::RuntimeFractionalPercent*>(&message)) {
      auto value = fraction(one->runtime_key());
      if (value) *one->mutable_default_value() = *value;
      return value.has_value();
    }
    if (auto* one = dynamic_cast<envoy::config::accesslog::v3::RuntimeFilter*>(&message)) {
      auto value = fraction(one->runtime_key());
      if (value) *one->mutable_percent_sampled() = *value;
      return value.has_value();
    }
    if (auto* one = dynamic_cast<core::RuntimeDouble*>(&message)) {
      auto value = number(one->runtime_key());
      if (value) one->set_default_value(*value);
      return value.has_value();
    }
    if (auto* one = dynamic_cast<core::RuntimeUInt32*>(&message)) {
      auto value = whole(one->runtime_key());
      if (value) one->set_default_value(*value);
      return value.has_value();
    }
    if (auto* one = dynamic_cast<core::RuntimeFeatureFlag*>(&message)) {
      const pb::Value* value = find(one->runtime_key());
      if (!value || !value->has_bool_value()) return false;
      one->mutable_default_value()->set_value(value->bool_value());
      return true;
    }
    if (auto* one = dynamic_cast<envoy::config::route::v3::WeightedCluster*>(&message)) return weights(*one);
    if (auto* one = dynamic_cast<envoy::extensions::filters::http::fault::v3::HTTPFault*>(&message)) return fault(*one);
    return false;
  }

  bool weights(envoy::config::route::v3::WeightedCluster& clusters) const {
    bool changed = false;
    if (clusters.runtime_key_prefix().empty()) return false;
    for (auto& cluster : *clusters.mutable_clusters())
      if (auto value = whole(clusters.runtime_key_prefix() + "." + cluster.name())) {
        cluster.mutable_weight()->set_value(*value);
        changed = true;
      }
    return changed;
  }

  bool fault(envoy::extensions::filters::http::fault::v3::HTTPFault& fault) const {
    auto key = [](const std::string& own, const char* usual) { return own.empty() ? std::string(usual) : own; };
    bool changed = false;
    if (fault.has_delay()) {
      if (auto value = fraction(key(fault.delay_percent_runtime(), "fault.http.delay.fixed_delay_percent"))) {
        *fault.mutable_delay()->mutable_percentage() = *value;
        changed = true;
      }
      auto ms = whole(key(fault.delay_duration_runtime(), "fault.http.delay.fixed_duration_ms"));
      if (ms && fault.delay().has_fixed_delay()) {
        fault.mutable_delay()->mutable_fixed_delay()->set_seconds(*ms / 1000);
        fault.mutable_delay()->mutable_fixed_delay()->set_nanos(static_cast<int>(*ms % 1000) * 1'000'000);
        changed = true;
      }
    }
    if (!fault.has_abort()) return changed;
    if (auto value = fraction(key(fault.abort_percent_runtime(), "fault.http.abort.abort_percent"))) {
      *fault.mutable_abort()->mutable_percentage() = *value;
      changed = true;
    }
    auto status = whole(key(fault.abort_http_status_runtime(), "fault.http.abort.http_status"));
    if (status && fault.abort().has_http_status() && *status >= 200 && *status < 600) {
      fault.mutable_abort()->set_http_status(*status);
      changed = true;
    }
    auto grpc = whole(key(fault.abort_grpc_status_runtime(), "fault.http.abort.grpc_status"));
    if (grpc && fault.abort().has_grpc_status()) {
      fault.mutable_abort()->set_grpc_status(*grpc);
      changed = true;
    }
    return changed;
  }

  static constexpr int kMostAnys = 32;  // in each other; unread.h refuses more

  const RuntimeValues& values_;
  int depth_ = 0;
};

}  // namespace

std::optional<FractionalPercent> runtime_fraction(const pb::Value& value) {
  if (!value.has_struct_value() || !value.struct_value().fields().contains("numerator")) return std::nullopt;
  std::string json;
  FractionalPercent out;
  if (!pb::util::MessageToJsonString(value, &json).ok() || !pb::util::JsonStringToMessage(json, &out).ok())
    return std::nullopt;
  return out;
}

bool settle_runtime(pb::Message& message, const RuntimeValues& values) {
  return !values.empty() && Settle(values).in(message);
}

}  // namespace proxy
