// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/dump.h"

#include <algorithm>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "identity/certificate.h"
#include "proxy/admin/forms.h"
#include "proxy/runtime/messages.h"

namespace proxy {
namespace {

using base::Json;

std::string_view health_name(Health health) {
  switch (health) {
    case Health::Unhealthy:
      return "UNHEALTHY";
    case Health::Draining:
      return "DRAINING";
    case Health::Degraded:
      return "DEGRADED";
    default:
      return "HEALTHY";
  }
}

Json address_json(const net::Address& address) {
  if (address.is_unix()) return Json{{"pipe", {{"path", address.ip()}}}};
  return Json{{"socket_address", {{"address", address.ip()}, {"port_value", address.port()}}}};
}

}  // namespace

// Values are what the last layer says; Envoy's own defaults are not Seine's and not shown.
Json runtime_json(const Process& process) {
  Json names = Json::array(), entries = Json::object();
  const auto& layers = process.runtime().layers();
  for (size_t at = 0; at < layers.size(); ++at) {
    names.push_back(layers[at].name);
    for (const auto& [key, value] : layers[at].values) {
      Json& entry = entries[key];
      if (entry.is_null()) entry["layer_values"] = std::vector<std::string>(layers.size());
      entry["layer_values"][at] = entry["final_value"] = text_of(value);
    }
  }
  return Json{{"layers", std::move(names)}, {"entries", std::move(entries)}};
}

static bool fails_checks(const Process::HostFacts& facts) {
  return facts.checked == Checked::Never || facts.checked == Checked::Fails;
}

// In Envoy's words and order.
static std::string health_flags(const Process::HostFacts& facts) {
  std::string out;
  if (fails_checks(facts)) out += "/failed_active_hc";
  if (facts.ejected) out += "/failed_outlier_check";
  if (facts.endpoint.health == Health::Unhealthy) out += "/failed_eds_health";
  if (facts.checked == Checked::Degraded) out += "/degraded_active_hc";
  if (facts.endpoint.health == Health::Degraded) out += "/degraded_eds_health";
  if (facts.endpoint.health == Health::Draining) out += "/eds_status_draining";
  return out.empty() ? "healthy" : out;
}

static std::string rate_text(double rate) {
  char text[32];
  snprintf(text, sizeof text, "%g", rate);
  return text;
}

// The cluster, if outlier detection judges its hosts.
static const Cluster* judged(const Configuration& configuration, const std::string& name) {
  auto it = configuration.entries(Kind::Cluster).find(name);
  const Cluster* cluster = it == configuration.entries(Kind::Cluster).end() ? nullptr : it->second.cluster.get();
  return cluster && cluster->outlier && cluster->shared ? cluster : nullptr;
}

Json clusters_json(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts) {
  const Configuration& configuration = process.configuration();
  Json out{{"cluster_statuses", Json::array()}};
  for (const auto& [name, list] : hosts) {
    Json status{{"name", name}, {"observability_name", name}};
    auto it = configuration.entries(Kind::Cluster).find(name);
    if (it != configuration.entries(Kind::Cluster).end()) {
      if (it->second.from == Configuration::From::ControlPlane) status["added_via_api"] = true;
      if (it->second.cluster && !it->second.cluster->endpoints_name.empty())
        status["eds_service_name"] = it->second.cluster->endpoints_name;
      if (it->second.cluster) {
        auto threshold = [](const CircuitBreaker& limits) {
          return Json{{"max_connections", limits.connections},
                      {"max_pending_requests", limits.pending},
                      {"max_requests", limits.requests},
                      {"max_retries", limits.retries}};
        };
        Json high = threshold(it->second.cluster->breaker[1]);
        high["priority"] = "HIGH";
        status["circuit_breakers"]["thresholds"] = {threshold(it->second.cluster->breaker[0]), std::move(high)};
      }
    }
    if (const Cluster* cluster = judged(configuration, name)) {
      const auto [external, local] = cluster->shared->rates();
      if (external.threshold >= 0) status["success_rate_ejection_threshold"] = {{"value", external.threshold}};
      if (local.threshold >= 0) status["local_origin_success_rate_ejection_threshold"] = {{"value", local.threshold}};
    }
    for (const auto& facts : list) {
      Json health{{"eds_health_status", health_name(facts.endpoint.health)}};
      if (fails_checks(facts)) health["failed_active_health_check"] = true;
      if (facts.checked == Checked::Degraded) health["failed_active_degraded_check"] = true;
      if (facts.ejected) health["failed_outlier_check"] = true;
      Json locality = Json::object();
      if (!facts.locality.region.empty()) locality["region"] = facts.locality.region;
      if (!facts.locality.zone.empty()) locality["zone"] = facts.locality.zone;
      if (!facts.locality.sub_zone.empty()) locality["sub_zone"] = facts.locality.sub_zone;
      auto counter = [](const char* stat, uint64_t value) {
        return Json{{"name", stat}, {"value", std::to_string(value)}};
      };
      auto gauge = [](const char* stat, uint64_t value) {
        return Json{{"type", "GAUGE"}, {"name", stat}, {"value", std::to_string(value)}};
      };
      Json host{{"address", address_json(facts.endpoint.address)},
                {"stats", Json::array({counter("cx_connect_fail", facts.connect_failures),
                                       counter("cx_total", facts.connections_total), counter("rq_error", facts.failed),
                                       counter("rq_success", facts.requests - std::min(facts.requests, facts.failed)),
                                       counter("rq_timeout", facts.timeouts), counter("rq_total", facts.requests),
                                       gauge("cx_active", facts.connections), gauge("rq_active", facts.active),
                                       gauge("rq_pending_active", facts.pending)})},
                {"health_status", std::move(health)},
                {"weight", facts.endpoint.weight},
                {"priority", facts.endpoint.priority},
                {"locality", std::move(locality)}};
      if (!facts.hostname.empty()) host["hostname"] = facts.hostname;
      if (facts.success_rate >= 0) host["success_rate"] = {{"value", facts.success_rate}};
      if (facts.local_success_rate >= 0) host["local_origin_success_rate"] = {{"value", facts.local_success_rate}};
      status["host_statuses"].push_back(std::move(host));
    }
    out["cluster_statuses"].push_back(std::move(status));
  }
  return out;
}

std::string clusters_text(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts) {
  const Configuration& configuration = process.configuration();
  std::string out;
  for (const auto& [name, list] : hosts) {
    auto it = configuration.entries(Kind::Cluster).find(name);
    bool api = it != configuration.entries(Kind::Cluster).end() && it->second.from == Configuration::From::ControlPlane;
    out += name + "::observability_name::" + name + "\n";
    if (const Cluster* cluster = judged(configuration, name)) {
      const auto [external, local] = cluster->shared->rates();
      auto line = [&](const char* key, double value) {
        out += name + "::outlier::" + key + "::" + rate_text(value) + "\n";
      };
      line("success_rate_average", external.average);
      line("success_rate_ejection_threshold", external.threshold);
      line("local_origin_success_rate_average", local.average);
      line("local_origin_success_rate_ejection_threshold", local.threshold);
    }
    if (it != configuration.entries(Kind::Cluster).end() && it->second.cluster) {
      auto breaker = [&](const char* which, const CircuitBreaker& limits) {
        std::string before = name + "::" + which + "_priority::max_";
        out += before + "connections::" + std::to_string(limits.connections) + "\n" + before +
               "pending_requests::" + std::to_string(limits.pending) + "\n" + before +
               "requests::" + std::to_string(limits.requests) + "\n" + before +
               "retries::" + std::to_string(limits.retries) + "\n";
      };
      breaker("default", it->second.cluster->breaker[0]);
      breaker("high", it->second.cluster->breaker[1]);
    }
    out += name + "::added_via_api::" + (api ? "true" : "false") + "\n";
    for (const auto& facts : list) {
      std::string before = name + "::" + facts.address + "::";
      auto line = [&](const char* key, const std::string& value) { out += before + key + "::" + value + "\n"; };
      line("cx_active", std::to_string(facts.connections));
      line("cx_connect_fail", std::to_string(facts.connect_failures));
      line("cx_total", std::to_string(facts.connections_total));
      line("rq_active", std::to_string(facts.active));
      line("rq_error", std::to_string(facts.failed));
      line("rq_pending_active", std::to_string(facts.pending));
      line("rq_success", std::to_string(facts.requests - std::min(facts.requests, facts.failed)));
      line("rq_timeout", std::to_string(facts.timeouts));
      line("rq_total", std::to_string(facts.requests));
      line("hostname", facts.hostname);
      line("health_flags", health_flags(facts));
      line("weight", std::to_string(facts.endpoint.weight));
      line("region", facts.locality.region);
      line("zone", facts.locality.zone);
      line("sub_zone", facts.locality.sub_zone);
      line("canary", "false");
      line("priority", std::to_string(facts.endpoint.priority));
      line("success_rate", rate_text(facts.success_rate));
      line("local_origin_success_rate", rate_text(facts.local_success_rate));
    }
  }
  return out;
}

// By name: where each listener is bound or, where it is not, for which address it is handed connections.
static std::vector<std::pair<std::string, net::Address>> listening_addresses(const Process& process) {
  auto out = process.configuration().bound_addresses();
  for (const auto& [name, entry] : process.configuration().entries(Kind::Listener))
    if (entry.listener && !entry.listener->bind)
      for (const net::Address& address : entry.listener->addresses) out.emplace_back(name, address);
  std::ranges::stable_sort(out, {}, [](const auto& one) -> const std::string& { return one.first; });
  return out;
}

std::string listeners_text(const Process& process) {
  std::string out;
  for (const auto& [name, address] : listening_addresses(process))
    out += name + "::" + (address.is_unix() ? address.ip() : address.text()) + "\n";
  return out;
}

Json listeners_json(const Process& process) {
  Json out{{"listener_statuses", Json::array()}};
  for (const auto& [name, address] : listening_addresses(process))
    out["listener_statuses"].push_back(Json{{"name", name}, {"local_address", address_json(address)}});
  return out;
}

// Envoy's /certs: an entry for each TLS context, with what its secrets hold; contexts of the same are told once.
Json certificates_json(const Process& process) {
  namespace tls = envoy::extensions::transport_sockets::tls::v3;
  Json out{{"certificates", Json::array()}};
  auto details = [](const identity::Certificate& certificate, const core::DataSource& source) {
    Json one{{"path", source.has_filename() ? source.filename() : "<inline>"},
             {"serial_number", certificate.serial},
             {"subject_alt_names", Json::array()},
             {"valid_from", time_text(certificate.not_before)},
             {"expiration_time", time_text(certificate.not_after)}};
    auto left = std::chrono::duration_cast<std::chrono::hours>(certificate.not_after - std::chrono::system_clock::now())
                    .count() /
                24;
    one["days_until_expiration"] = std::to_string(std::max<int64_t>(0, left));
    Json& names = one["subject_alt_names"];
    for (const std::string& name : certificate.dns_names) names.push_back(Json{{"dns", name}});
    for (const std::string& uri : certificate.uri_names) names.push_back(Json{{"uri", uri}});
    for (const std::string& ip : certificate.ip_names) names.push_back(Json{{"ip_address", ip}});
    return one;
  };
  auto add = [&](const core::DataSource& source, Json& list) {
    auto pem = compile(source);
    auto chain = pem && !pem->empty() ? identity::Certificate::chain_from_pem(*pem)
                                      : base::Result<std::vector<identity::Certificate>>();
    if (chain)
      for (const auto& certificate : *chain) list.push_back(details(certificate, source));
  };
  const Configuration& configuration = process.configuration();
  auto secret = [&](const tls::SdsSecretConfig& config) -> const tls::Secret& {
    auto it = configuration.entries(Kind::Secret).find(config.name());
    return it == configuration.entries(Kind::Secret).end() ? tls::Secret::default_instance() : it->second.secret;
  };
  auto put = [&](const tls::CommonTlsContext& context) {
    Json one{{"ca_cert", Json::array()}, {"cert_chain", Json::array()}};
    for (const auto& certificate : context.tls_certificates()) add(certificate.certificate_chain(), one["cert_chain"]);
    for (const auto& config : context.tls_certificate_sds_secret_configs())
      add(secret(config).tls_certificate().certificate_chain(), one["cert_chain"]);
    const auto& combined = context.combined_validation_context();
    add(context.validation_context().trusted_ca(), one["ca_cert"]);
    add(combined.default_validation_context().trusted_ca(), one["ca_cert"]);
    for (const auto* config :
         {&context.validation_context_sds_secret_config(), &combined.validation_context_sds_secret_config()})
      add(secret(*config).validation_context().trusted_ca(), one["ca_cert"]);
    if (one["ca_cert"].empty() && one["cert_chain"].empty()) return;
    Json& all = out["certificates"];
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(std::move(one));
  };
  for (Kind kind : {Kind::Listener, Kind::Cluster})
    for (const auto& [name, entry] : configuration.entries(kind)) {
      google::protobuf::Any resource;
      resource.set_type_url(entry.type_url);
      resource.set_value(entry.body);
      each_message(resource, [&](const google::protobuf::Message& message) {
        if (message.GetDescriptor() == tls::CommonTlsContext::descriptor())
          return put(static_cast<const tls::CommonTlsContext&>(message));
        if (!message.GetDescriptor()->full_name().ends_with(".TypedStruct")) return;
        google::protobuf::Any any;
        any.PackFrom(message);
        const std::string type = type_of(any);
        if (type == tls::DownstreamTlsContext::descriptor()->full_name())
          if (auto context = unpack<tls::DownstreamTlsContext>(any)) put(context->common_tls_context());
        if (type == tls::UpstreamTlsContext::descriptor()->full_name())
          if (auto context = unpack<tls::UpstreamTlsContext>(any)) put(context->common_tls_context());
      });
    }
  return out;
}

std::string hot_restart_version(const ProcessOptions& options) { return options.hot_restart ? "seine.1" : "disabled"; }

Json server_info(const Process& process) {
  auto uptime = [](std::chrono::steady_clock::time_point since) {
    const auto up = std::chrono::steady_clock::now() - since;
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(up).count()) + "s";
  };
  const ProcessOptions& options = process.options();
  const char* state = process.draining() ? "DRAINING" : process.not_ready().empty() ? "LIVE" : "INITIALIZING";
  return Json{{"version", "seine/" SEINE_VERSION},
              {"state", state},
              {"hot_restart_version", hot_restart_version(options)},
              {"uptime_current_epoch", uptime(process.started())},
              {"uptime_all_epochs", uptime(process.first_started())},
              {"command_line_options",
               {{"base_id", std::to_string(options.base_id)},
                {"restart_epoch", options.epoch},
                {"concurrency", options.concurrency},
                {"config_path", options.config_path},
                {"config_yaml", options.config_yaml},
                {"log_level", options.log_level},
                {"log_path", options.log_path},
                {"drain_time", std::to_string(options.drain_time.count() / 1000) + "s"},
                {"drain_strategy", options.drain_gradually ? "Gradual" : "Immediate"},
                {"parent_shutdown_time", std::to_string(options.parent_shutdown.count()) + "s"},
                {"disable_hot_restart", !options.hot_restart},
                {"service_cluster", process.bootstrap().node().cluster()},
                {"service_node", process.bootstrap().node().id()},
                {"service_zone", process.bootstrap().node().locality().zone()},
                {"mode", "Serve"}}},
              {"node", json_of(process.bootstrap().node())}};
}

}  // namespace proxy
