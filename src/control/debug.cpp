// SPDX-License-Identifier: Apache-2.0
#include "control/debug.h"

#include <google/protobuf/util/json_util.h>

#include <ctime>

#include "base/strings.h"
#include "config/kinds.h"
#include "config/specs.h"

namespace control {

using base::Json;

namespace {

std::string rfc3339(std::chrono::system_clock::time_point at) {
  std::time_t seconds = std::chrono::system_clock::to_time_t(at);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string_view severity_name(config::Severity severity) {
  switch (severity) {
    case config::Severity::Error:
      return "error";
    case config::Severity::Warning:
      return "warning";
    case config::Severity::Info:
      return "info";
  }
  return "";
}

std::string_view type_name(mesh::ProxyType type) {
  switch (type) {
    case mesh::ProxyType::Sidecar:
      return "sidecar";
    case mesh::ProxyType::Router:
      return "router";
    case mesh::ProxyType::Waypoint:
      return "waypoint";
  }
  return "";
}

http::Response text_page(std::string body, std::string_view type) {
  http::Response out;
  out.headers.add("content-type", type);
  out.body = std::move(body);
  return out;
}

http::Response json_page(const Json& value) {
  return text_page(value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n", "application/json");
}

// Istio's names of the types in /debug/syncz.
constexpr std::pair<std::string_view, std::string_view> kSyncNames[] = {
    {"cds", "cluster"}, {"lds", "listener"}, {"rds", "route"}, {"eds", "endpoint"}};

constexpr std::string_view kIndex =
    "/metrics\n/version\n/debug/syncz\n/debug/config_dump?proxyID=POD.NAMESPACE\n/debug/configz\n/debug/registryz\n/"
    "debug/connections\n/debug/findings\n";

// A resource in protobuf's JSON, or its name alone where it holds what is not linked in.
Json json_of(std::string_view type_url, const xds::Resource& resource) {
  google::protobuf::Any any;
  any.set_type_url(std::string(type_url));
  any.set_value(resource.body);
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (google::protobuf::util::MessageToJsonString(any, &text, options).ok())
    if (auto parsed = base::parse_json(text)) return std::move(*parsed);
  return {{"@type", type_url}, {"name", resource.name}};
}

}  // namespace

// In the shape of Envoy's admin page, so that one reader compares both.
http::Response DebugPages::config_dump(const http::RequestHead& request) const {
  std::string proxy = http::query_parameter(request.query(), "proxyID").value_or("");
  if (!ads_.serves_proxy(proxy)) {
    http::Response none = text_page(proxy.empty() ? "name a proxy: ?proxyID=POD.NAMESPACE\n"
                                                  : "no proxy of that name is connected to this istiod\n",
                                    "text/plain; charset=utf-8");
    none.status = proxy.empty() ? 400 : 404;
    return none;
  }
  Json configs = Json::array();
  auto add = [&](std::string_view url, const char* dump, const char* list, auto entry_of) {
    Json entries = Json::array();
    if (auto sent = ads_.sent_to(proxy, url))
      for (const auto& [name, resource] : *sent) entries.push_back(entry_of(*resource, json_of(url, *resource)));
    configs.push_back({{"@type", "type.googleapis.com/envoy.admin.v3." + std::string(dump)}, {list, entries}});
  };
  add(xds::type::kCluster, "ClustersConfigDump", "dynamic_active_clusters", [](const xds::Resource& one, Json body) {
    return Json{{"version_info", one.version}, {"cluster", std::move(body)}};
  });
  add(xds::type::kListener, "ListenersConfigDump", "dynamic_listeners", [](const xds::Resource& one, Json body) {
    return Json{{"name", one.name}, {"active_state", {{"version_info", one.version}, {"listener", std::move(body)}}}};
  });
  add(xds::type::kRoute, "RoutesConfigDump", "dynamic_route_configs", [](const xds::Resource& one, Json body) {
    return Json{{"version_info", one.version}, {"route_config", std::move(body)}};
  });
  return json_page({{"configs", std::move(configs)}});
}

// The shape that istioctl 1.17's proxy-status reads: a nonce sent and a nonce acknowledged for each type.
Json DebugPages::syncz() const {
  Json out = Json::array();
  for (const Ads::Client& client : ads_.clients()) {
    Json one = {{"cluster_id", client.proxy.cluster_id},
                {"proxy", client.proxy.id},
                {"proxy_type", type_name(client.proxy.type)},
                {"istio_version", client.proxy.version}};
    for (auto& [type, name] : kSyncNames)
      if (auto it = client.types.find(type); it != client.types.end()) {
        if (!it->second.sent.empty()) one[std::string(name) + "_sent"] = it->second.sent;
        if (!it->second.acked.empty()) one[std::string(name) + "_acked"] = it->second.acked;
        if (!it->second.rejection.empty()) one[std::string(name) + "_rejection"] = it->second.rejection;
      }
    out.push_back(std::move(one));
  }
  return out;
}

Json DebugPages::configz() const {
  Json out = Json::array();
  for (const config::IstioKind& kind : config::istio_kinds())
    for (const auto& [name, entry] : ingest_.inputs().table(kind.group, kind.kind)) {
      Json one = entry.object->json();
      if (one.contains("metadata")) one["metadata"].erase("managedFields");
      out.push_back(std::move(one));
    }
  return out;
}

Json DebugPages::registryz() const {
  Json out = Json::array();
  if (!ingest_.snapshot()) return out;
  for (const auto& service : ingest_.snapshot()->services) {
    Json ports = Json::array();
    for (const mesh::Port& port : service->ports) {
      Json one = {{"name", port.name}, {"port", port.number}, {"protocol", mesh::name(port.protocol)}};
      Json addresses = Json::array();
      for (const mesh::Endpoint& endpoint : ingest_.snapshot()->endpoints_of(*service, port.number))
        addresses.push_back(endpoint.address + ":" + std::to_string(endpoint.port));
      one["endpoints"] = std::move(addresses);
      ports.push_back(std::move(one));
    }
    out.push_back({{"hostname", service->hostname},
                   {"Attributes", {{"Name", service->name}, {"Namespace", service->ns}}},
                   {"creationTime", service->created},
                   {"addresses", service->addresses},
                   {"ports", std::move(ports)}});
  }
  return out;
}

Json DebugPages::connections() const {
  Json clients = Json::array();
  for (const Ads::Client& client : ads_.clients()) {
    Json watches = Json::object();
    for (const auto& [type, status] : client.types) watches[type] = status.resources;
    clients.push_back({{"connectionId", client.connection},
                       {"connectedAt", rfc3339(client.connected)},
                       {"address", client.address},
                       {"watches", std::move(watches)}});
  }
  return {{"totalClients", clients.size()}, {"clients", std::move(clients)}};
}

Json DebugPages::findings() const {
  Json out = Json::array();
  if (!ingest_.snapshot()) return out;
  for (const config::Finding& finding : mesh::analyze(ingest_.inputs(), *ingest_.snapshot()))
    out.push_back({{"severity", severity_name(finding.severity)},
                   {"code", finding.code},
                   {"object",
                    {{"group", finding.object.group},
                     {"kind", finding.object.kind},
                     {"namespace", finding.object.ns},
                     {"name", finding.object.name}}},
                   {"path", finding.path},
                   {"message", finding.message},
                   {"hint", finding.hint}});
  return out;
}

std::string DebugPages::scrape() const {
  telemetry::Scrape scrape;
  metrics_.add_to(scrape);
  add_process(scrape);
  scrape.gauge("pilot_info", {{"version", SEINE_VERSION}}, 1);
  scrape.gauge("istio_build", {{"component", "pilot"}, {"tag", SEINE_VERSION}}, 1);
  scrape.gauge("pilot_xds", {{"version", SEINE_VERSION}}, static_cast<double>(ads_.connected()));
  scrape.counter("pilot_k8s_cfg_events", {}, ingest_.events());
  if (ingest_.snapshot()) {
    scrape.gauge("pilot_services", {}, static_cast<double>(ingest_.snapshot()->services.size()));
    scrape.gauge("pilot_virt_services", {}, static_cast<double>(ingest_.snapshot()->virtual_services.size()));
  }
  return scrape.prometheus();
}

bool DebugPages::is_open(const http::RequestHead& request, const net::Address& from) {
  if (!request.path_only().starts_with("/debug")) return true;
  std::string ip = from.ip();
  return from.is_unix() || ip == "::1" || ip.starts_with("127.") || ip.starts_with("::ffff:127.");
}

std::optional<std::string> DebugPages::token_of(const http::RequestHead& request) {
  constexpr std::string_view kScheme = "bearer ";
  for (const char* name : {"x-istiod-authorization", "authorization"}) {
    auto header = request.headers.get(name);
    if (header && request.headers.count(name) == 1 &&
        base::equal_ignoring_case(header->substr(0, kScheme.size()), kScheme))
      return std::string(header->substr(kScheme.size()));
  }
  return std::nullopt;
}

std::optional<http::Response> DebugPages::refusal(const base::Result<Identity>& who, std::string_view ns) {
  if (who && who->ns == ns) return std::nullopt;
  http::Response out = text_page("istiod: /debug answers the loopback, and accounts of namespace " + std::string(ns) +
                                     " that send a bearer token of audience istio-ca\n",
                                 "text/plain; charset=utf-8");
  bool denied = who || who.error().kind == base::ErrorKind::Denied || who.error().kind == base::ErrorKind::Invalid;
  out.status = who ? 403 : denied ? 401 : 503;
  if (out.status == 401) out.headers.add("www-authenticate", "Bearer");
  return out;
}

http::Response DebugPages::page(const http::RequestHead& request) const {
  std::string_view path = request.path_only();
  if (request.method != "GET" && request.method != "HEAD") {
    http::Response refused = text_page("only GET is answered here\n", "text/plain; charset=utf-8");
    refused.status = 405;
    return refused;
  }
  if (path == "/metrics") return text_page(scrape(), "text/plain; version=0.0.4; charset=utf-8");
  if (path == "/version") return json_page({{"version", SEINE_VERSION}});
  if (path == "/debug/syncz") return json_page(syncz());
  if (path == "/debug/config_dump") return config_dump(request);
  if (path == "/debug/configz") return json_page(configz());
  if (path == "/debug/registryz") return json_page(registryz());
  if (path == "/debug/connections") return json_page(connections());
  if (path == "/debug/findings") return json_page(findings());
  http::Response index = text_page(std::string(kIndex), "text/plain; charset=utf-8");
  if (path != "/" && path != "/debug") index.status = 404;
  return index;
}

}  // namespace control
