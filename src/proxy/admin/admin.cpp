// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/admin.h"

#include <malloc.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "proxy/admin/dump.h"
#include "proxy/admin/stats.h"
#include "proxy/runtime/process.h"

namespace proxy {
namespace {

constexpr size_t kMostForm = 1 << 20;
// Whoever asks and does not read holds a page in memory; past so many, the quietest goes for whoever comes.
constexpr size_t kMostConnections = 100;
constexpr std::chrono::milliseconds kIdleTimeout{60'000};
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kText = "text/plain; charset=UTF-8";
constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

constexpr std::string_view kHelp =
    "admin commands are:\n"
    "  /certs: print certs on machine\n"
    "  /clusters: upstream cluster status\n"
    "      filter: Regular expression (Google re2) for filtering clusters by name\n"
    "      format: File format to use; One of (text, json)\n"
    "  /config_dump: dump current configuration\n"
    "      resource: The resource to dump\n"
    "      mask: The fields to keep, as a Protobuf FieldMask\n"
    "      name_regex: Dump only the currently loaded configurations whose names match the specified regex\n"
    "      include_eds: Dump currently loaded configuration including EDS\n"
    "  /contention: dump current mutex contention stats: there are none\n"
    "  /drain_listeners (POST): drain listeners\n"
    "      graceful: Listeners accept until the drain time is over; HTTP connections are asked to close with each "
    "response\n"
    "      skip_exit: Asks connections to close, as graceful does, and never stops listening\n"
    "      inboundonly: Drains the inbound listeners alone (traffic_direction)\n"
    "  /healthcheck/fail (POST): cause the server to fail health checks\n"
    "  /healthcheck/ok (POST): cause the server to pass health checks\n"
    "  /help: print out list of admin commands\n"
    "  /hot_restart_version: print the hot restart compatibility version\n"
    "  /init_dump: dump what waits for something before it serves\n"
    "  /listeners: print listener info\n"
    "      format: File format to use; One of (text, json)\n"
    "  /logging (POST): query/change logging levels\n"
    "      level: desired logging level, this will change all loggers's level\n"
    "      paths: NAME:LEVEL,...; there is one logger, which takes the most talkative level\n"
    "  /memory: print current allocation/heap usage\n"
    "  /quitquitquit (POST): exit the server\n"
    "  /ready: print server state, return 200 if LIVE, otherwise return 503\n"
    "  /reopen_logs (POST): reopen access logs\n"
    "  /reset_counters (POST): reset all counters to zero\n"
    "  /runtime: print runtime values\n"
    "  /runtime_modify (POST): Adds or modifies runtime values as passed in query parameters. To delete a previously "
    "added key, use an empty string as the value.\n"
    "  /server_info: print server version/status information\n"
    "  /stats: print server stats\n"
    "      usedonly: Only include stats that have been written by system since restart\n"
    "      filter: Regular expression (Google re2) for filtering stats\n"
    "      invert_filter: Invert the filter regex\n"
    "      format: Format to use; One of (json, prometheus, text)\n"
    "      type: Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)\n"
    "      histogram_buckets: Histogram bucket display mode; One of (cumulative, disjoint, none, summary)\n"
    "      text_readouts: Render text_readouts as new gauges of value 0 (prometheus alone)\n"
    "  /stats/prometheus: print server stats in prometheus format\n";

// Envoy's admin answers may never be kept or guessed at.
void answer(http::Exchange& exchange, int status, std::string body, std::string_view type = kText) {
  http::Response response;
  response.status = status;
  response.headers.add("content-type", type);
  response.headers.add("cache-control", "no-cache, max-age=0");
  response.headers.add("x-content-type-options", "nosniff");
  response.body = std::move(body);
  exchange.respond(std::move(response));
}
void answer_json(http::Exchange& exchange, const base::Json& json) {
  answer(exchange, 200, json.dump(1) + "\n", kJson);
}

// KEY=VALUE&..., percent-decoded, with a plus that is a plus, as Envoy has it.
std::vector<RuntimeLayers::Change> runtime_changes(std::string_view query) {
  std::vector<RuntimeLayers::Change> out;
  for (std::string_view pair : base::split(query, '&')) {
    if (pair.empty()) continue;
    const size_t end = std::min(pair.find('='), pair.size());
    const std::string_view key = pair.substr(0, end), value = pair.substr(std::min(end + 1, pair.size()));
    out.push_back({http::percent_decode(key).value_or(std::string(key)),
                   http::percent_decode(value).value_or(std::string(value))});
  }
  return out;
}

net::Task<void> modify_runtime(Process& process, std::shared_ptr<http::Exchange> exchange) {
  auto changes = runtime_changes(exchange->request().query());
  const bool form = exchange->request().headers.get("content-type") == "application/x-www-form-urlencoded";
  if (changes.empty() && form) {
    auto body = co_await exchange->read_all(kMostForm);
    if (!body) {
      answer(*exchange, 413, "the form is too long\n");
      co_return;
    }
    changes = runtime_changes(*body);
  }
  if (changes.empty()) {
    answer(*exchange, 400,
           "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
           "       or send the parameters as form values\n"
           "use an empty value to remove a previously added override");
    co_return;
  }
  if (auto changed = process.change_runtime(changes); !changed)
    answer(*exchange, 503, changed.error().message);
  else
    answer(*exchange, 200, "OK\n");
}

// Whether the request names a host that is not this machine's own, as a page's requests do whose name was made to lead
// here (DNS rebinding).
bool is_for_another_name(const http::RequestHead& request) {
  const std::string& authority = request.authority;
  return !authority.empty() && authority.substr(0, authority.find(':')) != "localhost" &&
         !net::Address::parse_host_port(authority) && !net::Address::parse(authority, 0);
}

// Whether a page that a browser of this machine shows may be behind the request, of another origin.
bool is_of_a_page(const http::RequestHead& request) {
  const auto site = request.headers.get("sec-fetch-site"), origin = request.headers.get("origin");
  if (site && *site != "none" && *site != "same-origin") return true;
  return origin && !origin->ends_with("//" + request.authority);
}

bool is_post(http::Exchange& exchange) {
  if (exchange.request().method != "POST") {
    answer(exchange, 405, "Method " + exchange.request().method + " not allowed, POST required.");
    return false;
  }
  if (is_of_a_page(exchange.request())) {
    answer(exchange, 403, "changes are taken from this machine's programs only, not from web pages\n");
    return false;
  }
  return true;
}

// ?level=debug, ?paths=http:debug,admin:info or ?http=debug. There is one logger, which then says as much as the
// most talkative of those named is to say.
void change_log_level(http::Exchange& exchange) {
  const std::string query(exchange.request().query());
  std::vector<std::string> levels;
  for (std::string_view pair : base::split(query, '&')) {
    if (pair.empty()) continue;
    const std::string name(pair.substr(0, pair.find('=')));
    const std::string value = http::query_parameter(query, name).value_or("");
    if (value.empty()) continue;
    if (name != "paths") {
      levels.push_back(value);
      continue;
    }
    for (std::string_view path : base::split(value, ',')) {
      auto parts = base::cut(path, ':');
      if (!parts) return answer(exchange, 400, "error: invalid logger name or glob: paths is NAME:LEVEL,...\n");
      levels.emplace_back(parts->second);
    }
  }
  auto rank = [](const std::string& level) { return static_cast<int>(spdlog::level::from_str(level)); };
  for (const std::string& level : levels)
    if (rank(level) == spdlog::level::off && level != "off")
      return answer(exchange, 400, "error: unknown logger level\n");
  if (!levels.empty())
    if (auto done = base::set_log_level(*std::min_element(
            levels.begin(), levels.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); }));
        !done)
      return answer(exchange, 400, "error: " + done.error().message + "\n");
  std::string_view now = spdlog::level::to_string_view(spdlog::get_level()).data();
  answer(exchange, 200, "active loggers:\n  all: " + std::string(now) + "\n");
}

// The filter of ?filter=REGEX; nullptr: there is none. False: it is no regular expression, and that was said.
bool filter_of(http::Exchange& exchange, std::shared_ptr<const re2::RE2>& out) {
  auto text = http::query_parameter(exchange.request().query(), "filter");
  if (!text || text->empty()) return true;
  auto compiled = compile_regex(*text);
  if (!compiled) {
    answer(exchange, 400, "Invalid re2 regex: " + compiled.error().message + "\n");
    return false;
  }
  out = std::move(*compiled);
  return true;
}

// What of the query Envoy knows and this does not is refused, as what neither knows.
base::Result<StatsWish> stats_wish(std::string_view query, bool prometheus) {
  auto given = [&](std::string_view name) { return http::query_parameter(query, name); };
  auto bad = [](std::string text) { return base::fail(base::ErrorKind::Invalid, std::move(text)); };
  StatsWish out;
  const std::string format = prometheus ? "prometheus" : given("format").value_or("text");
  if (format != "text" && format != "json" && format != "prometheus")
    return bad("usage: /stats?format=(json|prometheus|text)\n\n");
  out.format = format == "json"         ? StatsWish::Format::Json
               : format == "prometheus" ? StatsWish::Format::Prometheus
                                        : StatsWish::Format::Text;
  using Kind = telemetry::Scrape::Stat::Kind;
  if (auto type = given("type"); type && *type != "All") {
    static constexpr std::pair<std::string_view, Kind> kKinds[] = {{"Counters", Kind::Counter},
                                                                   {"Gauges", Kind::Gauge},
                                                                   {"Histograms", Kind::Histogram},
                                                                   {"TextReadouts", Kind::Text}};
    for (const auto& [name, kind] : kKinds)
      if (name == *type) out.kind = kind;
    if (!out.kind) return bad("invalid &type= param");
  }
  const std::string buckets = given("histogram_buckets").value_or("");
  const bool exposed = out.format == StatsWish::Format::Prometheus;
  if (buckets == "detailed" || buckets == "prometheusnative")
    return bad("histogram_buckets=" + buckets + " is not supported: values are kept by bucket alone\n");
  if (exposed && buckets == "disjoint") return bad("unsupported prometheus histogram bucket mode");
  if (buckets == "cumulative" || (exposed && buckets.empty()))
    out.buckets = StatsWish::Buckets::Cumulative;
  else if (buckets == "disjoint")
    out.buckets = StatsWish::Buckets::Disjoint;
  else if (!buckets.empty() && buckets != "none" && buckets != "summary")
    return bad("usage: /stats?histogram_buckets=(cumulative|disjoint|none|summary)\n");
  const std::string hidden = given("hidden").value_or("exclude");
  if (hidden != "include" && hidden != "only" && hidden != "exclude")
    return bad("usage: /stats?hidden=(include|only|exclude)\n\n");
  out.none = hidden == "only";  // nothing is hidden here
  out.text_readouts = given("text_readouts").has_value();
  return out;
}

void serve_stats(Process& process, http::Exchange& exchange, bool prometheus) {
  const std::string query(exchange.request().query());
  std::shared_ptr<const re2::RE2> filter;
  if (!filter_of(exchange, filter)) return;
  auto wish = stats_wish(query, prometheus);
  if (!wish) return answer(exchange, 400, wish.error().message);
  auto given = [&](std::string_view name) { return http::query_parameter(query, name).has_value(); };
  auto scrape = process.scrape();
  const bool used = given("usedonly"), invert = given("invert_filter");
  if (used || filter || wish->kind || wish->none)
    scrape.filter([&](const telemetry::Scrape::Stat& stat) {
      if (wish->none || (wish->kind && *wish->kind != stat.kind)) return false;
      if (used && stat.value == 0 && stat.text.empty()) return false;
      return !filter || re2::RE2::PartialMatch(stat.name, *filter) != invert;
    });
  if (wish->format == StatsWish::Format::Prometheus)
    return answer(exchange, 200,
                  scrape.prometheus(
                      {.summaries = wish->buckets == StatsWish::Buckets::None, .text_readouts = wish->text_readouts}),
                  kPrometheus);
  const auto stats = scrape.stats();
  if (wish->format == StatsWish::Format::Json)
    return answer(exchange, 200, stats_json(stats, wish->buckets).dump(), kJson);
  answer(exchange, 200, stats_text(stats, wish->buckets));
}

std::string memory_json() {
  const struct mallinfo2 heap = mallinfo2();
  auto text = [](size_t bytes) { return std::to_string(bytes); };
  return base::Json{{"allocated", text(heap.uordblks + heap.hblkhd)},
                    {"heap_size", text(heap.arena + heap.hblkhd)},
                    {"pageheap_free", text(heap.fordblks)},
                    {"total_physical_bytes", text(base::resident_memory())}}
             .dump(1) +
         "\n";
}

// What waits for something before it serves, as Envoy's init managers tell it.
base::Json unready(const Process& process) {
  base::Json out = base::Json::object();
  for (Kind kind : {Kind::Cluster, Kind::Listener})
    for (const auto& [name, entry] : process.configuration().entries(kind)) {
      if (!entry.warming) continue;
      base::Json one{{"name", std::string(kind == Kind::Cluster ? "cluster " : "Listener-init-manager ") + name}};
      out["unready_targets_dumps"].push_back(std::move(one));
    }
  return out;
}

// The index: each command of the help a link, those that change something a form.
std::string index_page() {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>seine-proxy</title></head><body>\n"
      "<h1>seine-proxy</h1>\n<table>\n";
  for (std::string_view line : base::split(kHelp, '\n')) {
    if (!line.starts_with("  /")) continue;
    auto parts = base::cut(line.substr(2), ':');
    if (!parts) continue;
    std::string path(parts->first);
    const bool post = path.ends_with(" (POST)");
    if (post) path.resize(path.size() - 7);
    out += "<tr><td>";
    out += post ? "<form action=\"" + path + "\" method=\"post\"><button>" + path + "</button></form>"
                : "<a href=\"" + path + "\">" + path + "</a>";
    out += "</td><td>" + std::string(parts->second) + "</td></tr>\n";
  }
  return out + "</table>\n</body></html>\n";
}

}  // namespace

bool is_of_this_machine(const net::Address& address) {
  if (address.is_unix()) return true;
  const std::string ip = address.ip();
  return ip.starts_with("127.") || ip == "::1" || ip.starts_with("::ffff:127.");
}

Admin::Admin(Process& process)
    : server_(process.loop(),
              [&process](std::shared_ptr<http::Exchange> exchange) { return serve(process, std::move(exchange)); },
              {.max_connections = kMostConnections, .replaces_quietest = true, .idle_timeout = kIdleTimeout}) {}

base::Result<net::Address> Admin::listen(const net::Address& address) {
  if (!is_of_this_machine(address))
    base::log::warn("the admin address {} is not a loopback address: whoever comes from elsewhere gets 403 there",
                    address.text());
  return server_.listen(address);
}

net::Task<void> Admin::serve(Process& process, std::shared_ptr<http::Exchange> exchange) {
  if (!is_of_this_machine(exchange->remote())) {
    answer(*exchange, 403, "the admin port answers the loopback address only\n");
    co_return;
  }
  const std::string path(exchange->request().path_only());
  const std::string query(exchange->request().query());
  // Scrapers come through a listener of the proxy's own, under whatever name they know it by.
  const bool for_anyone = path == "/ready" || exchange->remote().is_unix() ||
                          ((path == "/stats" || path == "/stats/prometheus") && !is_of_a_page(exchange->request()));
  if (!for_anyone && is_for_another_name(exchange->request())) {
    answer(*exchange, 403, "the admin port answers to localhost and to addresses, not to other names\n");
    co_return;
  }
  auto given = [&](std::string_view name) { return http::query_parameter(query, name); };
  const bool json = given("format").value_or("") == "json";
  if (path == "/clusters") {
    auto hosts = co_await process.hosts();
    std::shared_ptr<const re2::RE2> filter;
    if (!filter_of(*exchange, filter)) co_return;
    if (filter) std::erase_if(hosts, [&](const auto& entry) { return !re2::RE2::PartialMatch(entry.first, *filter); });
    if (json)
      answer_json(*exchange, clusters_json(process, hosts));
    else
      answer(*exchange, 200, clusters_text(process, hosts));
    co_return;
  }
  if (path == "/ready") {
    std::string why = process.not_ready();
    answer(*exchange, why.empty() ? 200 : 503, (why.empty() ? std::string("LIVE") : why) + "\n");
  } else if (path == "/config_dump") {
    DumpWish wish{.endpoints = given("include_eds").has_value(),
                  .resource = given("resource").value_or(""),
                  .mask = given("mask").value_or("")};
    if (auto regex = given("name_regex"); regex && !regex->empty()) {
      auto compiled = compile_regex(*regex);
      if (!compiled) {
        answer(
            *exchange, 400,
            "INVALID_ARGUMENT: Error while parsing name_regex from " + *regex + ": " + compiled.error().message + "\n");
        co_return;
      }
      wish.name = std::move(*compiled);
    }
    if (auto dump = config_dump(process, wish); dump)
      answer_json(*exchange, *dump);
    else
      answer(*exchange, dump.error().kind == base::ErrorKind::NotFound ? 404 : 400, dump.error().message);
  } else if (path == "/listeners") {
    if (json) answer_json(*exchange, listeners_json(process));
    if (!json) answer(*exchange, 200, listeners_text(process));
  } else if (path == "/stats" || path == "/stats/prometheus") {
    serve_stats(process, *exchange, path == "/stats/prometheus");
  } else if (path == "/server_info") {
    answer_json(*exchange, server_info(process));
  } else if (path == "/certs") {
    answer_json(*exchange, certificates_json(process));
  } else if (path == "/memory") {
    answer(*exchange, 200, memory_json(), kJson);
  } else if (path == "/runtime") {
    answer_json(*exchange, runtime_json(process));
  } else if (path == "/runtime_modify") {
    if (is_post(*exchange)) co_await modify_runtime(process, exchange);
  } else if (path == "/hot_restart_version") {
    answer(*exchange, 200, hot_restart_version(process.options()));
  } else if (path == "/contention") {
    answer(*exchange, 200, "Mutex contention is not traced: workers share no mutex.\n");
  } else if (path == "/init_dump") {
    answer_json(*exchange, unready(process));
  } else if (path == "/") {
    answer(*exchange, 200, index_page(), "text/html; charset=UTF-8");
  } else if (path == "/help") {
    answer(*exchange, 200, std::string(kHelp));
  } else if (path == "/logging" || path == "/reopen_logs" || path == "/drain_listeners" ||
             path == "/healthcheck/fail" || path == "/healthcheck/ok" || path == "/reset_counters" ||
             path == "/quitquitquit") {
    if (is_post(*exchange)) change(process, *exchange, path);
  } else {
    answer(*exchange, 404, "invalid path. " + std::string(kHelp));
  }
}

void Admin::change(Process& process, http::Exchange& exchange, std::string_view path) {
  if (path == "/logging") return change_log_level(exchange);
  if (path == "/reopen_logs") {
    process.configuration().logs().reopen_all();
  } else if (path == "/drain_listeners") {
    auto given = [&](std::string_view name) {
      return http::query_parameter(exchange.request().query(), name).has_value();
    };
    process.drain_listeners(
        {.only_inbound = given("inboundonly"), .gracefully = given("graceful"), .keep_listening = given("skip_exit")});
  } else if (path == "/healthcheck/fail") {
    process.set_unwell(true);
  } else if (path == "/healthcheck/ok") {
    process.set_unwell(false);
  } else if (path == "/reset_counters") {
    process.reset_counters();
  }
  answer(exchange, 200, "OK\n");
  if (path == "/quitquitquit" && process.on_quit) process.on_quit();
}

}  // namespace proxy
