// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/admin.h"

#include "base/log.h"
#include "proxy/admin/dump.h"
#include "proxy/runtime/process.h"

namespace proxy {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

constexpr std::string_view kHelp =
    "admin commands are:\n"
    "  /certs: the certificates in use\n"
    "  /clusters: upstream clusters and their endpoints (?format=json)\n"
    "  /config_dump: the running configuration (?include_eds, ?resource=NAME)\n"
    "  /drain_listeners (POST): stop accepting (?inboundonly)\n"
    "  /healthcheck/fail, /healthcheck/ok (POST)\n"
    "  /listeners: bound addresses (?format=json)\n"
    "  /logging (POST): change the log level (?level=debug)\n"
    "  /memory: memory in use\n"
    "  /quitquitquit (POST): exit\n"
    "  /ready: LIVE, or why not\n"
    "  /server_info: version, state, options\n"
    "  /stats, /stats/prometheus: metrics (?filter=TEXT)\n";

bool is_post(http::Exchange& exchange) {
  if (exchange.request().method == "POST") return true;
  exchange.respond(405, "Method Not Allowed\nthis changes something: use POST\n");
  return false;
}

void change_log_level(http::Exchange& exchange) {
  auto level = http::query_parameter(exchange.request().query(), "level");
  if (!level) {  // Envoy also takes one logger by name; there is one here
    std::string_view query = exchange.request().query();
    if (size_t equals = query.find('='); equals != query.npos) level = std::string(query.substr(equals + 1));
  }
  if (level && !level->empty()) {
    if (auto done = base::set_log_level(*level); !done) return exchange.respond(400, done.error().message + "\n");
  }
  std::string_view now = spdlog::level::to_string_view(spdlog::get_level()).data();
  exchange.respond(200, "active loggers:\n  all: " + std::string(now) + "\n");
}

std::string memory_json() {
  size_t resident = 0;
  if (FILE* file = fopen("/proc/self/statm", "r")) {
    size_t total = 0;
    if (fscanf(file, "%zu %zu", &total, &resident) != 2) resident = 0;
    fclose(file);
  }
  return base::Json{{"allocated", std::to_string(resident * 4096)}, {"heap_size", std::to_string(resident * 4096)}}
             .dump(1) +
         "\n";
}

}  // namespace

Admin::Admin(Process& process)
    : server_(process.loop(),
              [&process](std::shared_ptr<http::Exchange> exchange) { return serve(process, std::move(exchange)); }) {}

net::Task<void> Admin::serve(Process& process, std::shared_ptr<http::Exchange> exchange) {
  const std::string path(exchange->request().path_only());
  const std::string query(exchange->request().query());
  const bool json = http::query_parameter(query, "format").value_or("") == "json";
  if (path == "/ready") {
    std::string why = process.not_ready();
    exchange->respond(why.empty() ? 200 : 503, (why.empty() ? std::string("LIVE") : why) + "\n");
  } else if (path == "/config_dump") {
    bool endpoints = query.find("include_eds") != std::string::npos;
    std::string resource = http::query_parameter(query, "resource").value_or("");
    exchange->respond(200, config_dump(process, endpoints, resource).dump(1) + "\n", kJson);
  } else if (path == "/clusters") {
    auto hosts = co_await process.hosts();
    if (json)
      exchange->respond(200, clusters_json(process, hosts).dump(1) + "\n", kJson);
    else
      exchange->respond(200, clusters_text(process, hosts));
  } else if (path == "/listeners") {
    if (json) {
      exchange->respond(200, listeners_json(process).dump(1) + "\n", kJson);
    } else {
      std::string text;
      for (const auto& [name, address] : process.configuration().bound_addresses())
        text += name + "::" + address.text() + "\n";
      exchange->respond(200, text);
    }
  } else if (path == "/stats/prometheus" || path == "/stats") {
    auto scrape = process.scrape();
    bool prometheus =
        path == "/stats/prometheus" || http::query_parameter(query, "format").value_or("") == "prometheus";
    if (prometheus)
      exchange->respond(200, scrape.prometheus(), kPrometheus);
    else
      exchange->respond(200, scrape.plain(http::query_parameter(query, "filter").value_or("")));
  } else if (path == "/server_info") {
    exchange->respond(200, server_info(process).dump(1) + "\n", kJson);
  } else if (path == "/certs") {
    exchange->respond(200, certificates_json(process).dump(1) + "\n", kJson);
  } else if (path == "/memory") {
    exchange->respond(200, memory_json(), kJson);
  } else if (path == "/logging") {
    if (is_post(*exchange)) change_log_level(*exchange);
  } else if (path == "/reopen_logs") {
    if (is_post(*exchange)) {
      process.configuration().logs().reopen_all();
      exchange->respond(200, "OK\n");
    }
  } else if (path == "/drain_listeners") {
    if (is_post(*exchange)) {
      process.stop_listening(query.find("inboundonly") != std::string::npos);
      exchange->respond(200, "OK\n");
    }
  } else if (path == "/healthcheck/fail" || path == "/healthcheck/ok") {
    if (is_post(*exchange)) {
      process.not_ready_because = path.ends_with("fail") ? "DRAINING" : "";
      exchange->respond(200, "OK\n");
    }
  } else if (path == "/quitquitquit") {
    if (is_post(*exchange)) {
      exchange->respond(200, "OK\n");
      if (process.on_quit) process.on_quit();
    }
  } else if (path == "/" || path == "/help") {
    exchange->respond(200, std::string(kHelp));
  } else {
    exchange->respond(404, "invalid path. " + std::string(kHelp));
  }
  co_return;
}

}  // namespace proxy
