// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/runtime_layers.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/runtime/json.h"

namespace proxy {
namespace {

namespace pb = google::protobuf;

base::Result<void> add(const std::string& key, const pb::Value& value, RuntimeValues& out) {
  if (value.has_list_value() || value.kind_case() == pb::Value::kNullValue)
    return base::fail(base::ErrorKind::Invalid, "Invalid runtime entry value for " + key);
  if (!value.has_struct_value() || runtime_fraction(value)) {
    out.insert_or_assign(key, value);
    return {};
  }
  for (const auto& [name, inner] : value.struct_value().fields())
    TRY(add(key.empty() ? name : key + "." + name, inner, out));
  return {};
}

std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(number)) return std::nullopt;
  while (*end == ' ') ++end;
  return *end ? std::nullopt : std::optional(number);
}

pb::Value meaning_of(const pb::Value& value) {
  if (!value.has_string_value()) return value;
  const std::string& text = value.string_value();
  pb::Value out;
  if (base::equal_ignoring_case(text, "true") || base::equal_ignoring_case(text, "false")) {
    out.set_bool_value(text.size() == 4);
  } else if (auto number = number_of(text)) {
    out.set_number_value(*number);
  } else if (text.find("numerator") == std::string::npos ||
             !read_message(text, *out.mutable_struct_value(), UnknownFields::Refuse) || !runtime_fraction(out)) {
    return value;
  }
  return out;
}

void warn_of_idle(const std::string& key) {
  for (std::string_view known : {"upstream.", "outlier_detection.", "circuit_breakers.", "health_check.", "tracing.",
                                 "cluster_manager.", "router.", "http.", "ratelimit.", "load_balancer."})
    if (key.starts_with(known)) base::log::warn("the runtime sets {}, which has no effect", base::printable(key));
}

}  // namespace

base::Result<RuntimeLayers> RuntimeLayers::of(const envoy::config::bootstrap::v3::Bootstrap& bootstrap) {
  RuntimeLayers out;
  std::set<std::string_view> names;
  for (const auto& from : bootstrap.layered_runtime().layers()) {
    if (!names.insert(from.name()).second)
      return base::fail(base::ErrorKind::Invalid, "Duplicate layer name: " + from.name());
    Layer layer{.name = from.name(), .values = {}, .admin = from.has_admin_layer()};
    if (layer.admin && std::any_of(out.layers_.begin(), out.layers_.end(), [](const Layer& one) { return one.admin; }))
      return base::fail(base::ErrorKind::Invalid,
                        "Too many admin layers specified in LayeredRuntime, at most one may be specified");
    for (const auto& [key, value] : from.static_layer().fields()) TRY(add(key, value, layer.values));
    for (const auto& [key, value] : layer.values) warn_of_idle(key);
    out.layers_.push_back(std::move(layer));
  }
  return out;
}

base::Result<void> RuntimeLayers::change(std::span<const Change> changes) {
  auto admin = std::find_if(layers_.begin(), layers_.end(), [](const Layer& layer) { return layer.admin; });
  if (admin == layers_.end()) return base::fail(base::ErrorKind::Unavailable, "No admin layer specified");
  std::set<std::string_view> seen;
  for (const Change& one : changes) {
    if (!seen.insert(one.key).second) continue;
    if (one.value.empty()) {
      admin->values.erase(one.key);
      continue;
    }
    warn_of_idle(one.key);
    admin->values[one.key].set_string_value(one.value);
  }
  return {};
}

RuntimeValues RuntimeLayers::values() const {
  RuntimeValues out;
  for (const Layer& layer : layers_)
    for (const auto& [key, value] : layer.values) out.insert_or_assign(key, meaning_of(value));
  return out;
}

std::string text_of(const pb::Value& value) {
  if (value.has_string_value()) return value.string_value();
  std::string out;
  return pb::util::MessageToJsonString(value, &out).ok() ? out : std::string();
}

}  // namespace proxy
