// SPDX-License-Identifier: Apache-2.0
#include "mesh/mesh_config.h"

#include <cmath>

#include "base/strings.h"
#include "config/config.h"

namespace mesh {
namespace {

// "10s", "1m30s", "250ms" as Go writes durations.
std::optional<std::chrono::milliseconds> duration_of(std::string_view text) {
  double total = 0;
  while (!text.empty()) {
    size_t digits = 0;
    while (digits < text.size() && (isdigit(static_cast<unsigned char>(text[digits])) || text[digits] == '.')) ++digits;
    size_t unit = digits;
    while (unit < text.size() && isalpha(static_cast<unsigned char>(text[unit]))) ++unit;
    if (digits == 0 || unit == digits) return std::nullopt;
    double amount = std::strtod(std::string(text.substr(0, digits)).c_str(), nullptr);
    std::string_view name = text.substr(digits, unit - digits);
    if (name == "ms")
      total += amount;
    else if (name == "s")
      total += amount * 1000;
    else if (name == "m")
      total += amount * 60'000;
    else if (name == "h")
      total += amount * 3'600'000;
    else
      return std::nullopt;
    text.remove_prefix(unit);
  }
  return std::chrono::milliseconds(static_cast<int64_t>(std::llround(total)));
}

using Duration = std::optional<std::chrono::milliseconds>;
Duration positive(Duration duration) { return duration && duration->count() > 0 ? duration : std::nullopt; }

std::vector<std::string> strings_of(const base::Json& value) {
  std::vector<std::string> out;
  if (value.is_array())
    for (const base::Json& item : value)
      if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

void read_retry_policy(const base::Json& policy, MeshConfig& mesh) {
  if (const base::Json* attempts = base::find(policy, "attempts"); attempts && attempts->is_number_unsigned())
    mesh.default_retry_attempts = attempts->get<int>();
  mesh.default_retry_on = base::text(policy, "retryOn");
}

// Reads one setting; false where it is not one that acts here.
bool read(std::string_view key, const base::Json& value, MeshConfig& mesh) {
  auto text = [&] { return value.is_string() ? value.get<std::string>() : std::string(); };
  auto truth = [&](bool otherwise) { return value.is_boolean() ? value.get<bool>() : otherwise; };
  auto port = [&](int otherwise) {
    const bool good = value.is_number_integer() && value.get<int64_t>() > 0 && value.get<int64_t>() <= 65535;
    return good ? value.get<int>() : otherwise;
  };
  if (key == "rootNamespace")
    mesh.root_namespace = text();
  else if (key == "trustDomain")
    mesh.trust_domain = text().empty() ? mesh.trust_domain : text();
  else if (key == "trustDomainAliases")
    mesh.trust_domain_aliases = strings_of(value);
  else if (key == "outboundTrafficPolicy")
    mesh.registry_only = base::text(value, "mode") == "REGISTRY_ONLY";
  else if (key == "inboundTrafficPolicy")
    mesh.inbound_localhost = base::text(value, "mode") == "LOCALHOST";
  else if (key == "enableAutoMtls")
    mesh.auto_mtls = truth(true);
  else if (key == "connectTimeout")
    mesh.connect_timeout = positive(duration_of(text())).value_or(mesh.connect_timeout);
  else if (key == "protocolDetectionTimeout")
    mesh.protocol_detection_timeout = duration_of(text()).value_or(mesh.protocol_detection_timeout);
  else if (key == "accessLogFile")
    mesh.access_log_file = text();
  else if (key == "accessLogFormat")
    mesh.access_log_format = config::is_log_format(text()) ? text() : "";
  else if (key == "accessLogEncoding")
    mesh.access_log_json = text() == "JSON";
  else if (key == "proxyListenPort")
    mesh.outbound_port = port(15001);
  else if (key == "proxyInboundListenPort")
    mesh.inbound_port = port(15006);
  else if (key == "defaultServiceExportTo")
    mesh.default_service_export_to = strings_of(value);
  else if (key == "defaultVirtualServiceExportTo")
    mesh.default_virtual_service_export_to = strings_of(value);
  else if (key == "defaultDestinationRuleExportTo")
    mesh.default_destination_rule_export_to = strings_of(value);
  else if (key == "defaultHttpRetryPolicy")
    read_retry_policy(value, mesh);
  else if (key == "localityLbSetting") {
    const base::Json* enabled = base::find(value, "enabled");
    mesh.locality_load_balancing = !enabled || !enabled->is_boolean() || enabled->get<bool>();
  } else
    return key == "defaultConfig" || key == "defaultProviders" || key == "enablePrometheusMerge" ||
           key == "extensionProviders" || key == "enableTracing";
  return true;
}

}  // namespace

MeshConfig mesh_config_of(const objects::Object* config_map, std::vector<std::string>* unknown) {
  MeshConfig mesh;
  if (!config_map) return mesh;
  if (!config_map->ns().empty()) mesh.root_namespace = config_map->ns();
  auto documents = base::parse_yaml(base::text(config_map->json(), "data", "mesh"));
  if (!documents || documents->empty() || !documents->front().is_object()) return mesh;
  for (const auto& [key, value] : documents->front().items())
    if (!read(key, value, mesh) && unknown) unknown->push_back(key);
  return mesh;
}

}  // namespace mesh
