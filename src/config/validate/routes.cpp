// SPDX-License-Identifier: Apache-2.0
#include "config/validate/routes.h"

#include <re2/re2.h>

#include <algorithm>

#include "base/strings.h"

namespace config {
namespace {

namespace api = networking;

// At most one kind of answer, and at least one.
void check_action(Report& report, const Path& path, const api::HTTPRoute& http, Place place) {
  bool forwards = !http.route().empty();
  if (http.has_redirect() && forwards)
    report.error("SN0130", path, "HTTP route cannot contain both route and redirect");
  if (http.has_redirect() && http.has_fault())
    report.error("SN0130", path, "HTTP route cannot contain both fault and redirect");
  if (http.has_redirect() && http.has_rewrite())
    report.error("SN0130", path, "HTTP route rule cannot contain both rewrite and redirect");
  if (http.has_direct_response() && (forwards || http.has_redirect()))
    report.error("SN0130", path, "HTTP route cannot contain both direct_response and route or redirect");
  if (http.has_delegate() && place == Place::Delegate)
    report.error("SN0130", path / "delegate", "delegate virtual service cannot contain another delegate");
  if (http.has_delegate() && (forwards || http.has_redirect() || http.has_direct_response()))
    report.error("SN0130", path, "root HTTP route can not set route, redirect or direct_response with delegate");
  if (!forwards && !http.has_redirect() && !http.has_direct_response() && !http.has_delegate())
    report.error("SN0131", path, "HTTP route, redirect or direct_response is required");
}

int groups_of(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  re2::RE2 regex(pattern, options);
  return regex.ok() ? regex.NumberOfCapturingGroups() : 9;  // told already
}

template <typename Routes>
void check_weights(Report& report, const Path& path, const Routes& routes) {
  int64_t total = 0;
  for (int i = 0; i < routes.size(); ++i) {
    if (routes[i].weight() < 0)
      report.error("SN0102", path[i] / "weight", "weight " + std::to_string(routes[i].weight()) + " < 0");
    if (routes[i].weight() > 100)
      report.error("SN0102", path[i] / "weight",
                   "weight " + std::to_string(routes[i].weight()) + " > 100: a weight is a share from 0 to 100");
    total += std::max(0, routes[i].weight());
  }
  if (routes.size() > 1 && total == 0) report.error("SN0102", path, "total destination weight = 0");
}

void check_redirect(Report& report, const Path& path, const api::HTTPRedirect& redirect) {
  if (redirect.uri().empty() && redirect.authority().empty() && redirect.scheme().empty() && redirect.port() == 0 &&
      !redirect.has_derive_port())
    report.error("SN0132", path, "redirect must specify URI, authority, scheme, or port");
  uint32_t code = redirect.redirect_code();
  if (code != 0 && (code < 300 || code > 399))
    report.error("SN0132", path / "redirectCode", std::to_string(code) + " is not a redirect code (3xx)");
  else if (code != 0 && code != 301 && code != 302 && code != 303 && code != 307 && code != 308)
    report.error("SN0132", path / "redirectCode", "redirect code " + std::to_string(code) + " is not supported",
                 "301, 302, 303, 307 or 308");
  check_one_line(report, path / "uri", redirect.uri());
  check_one_line(report, path / "authority", redirect.authority());
  if (redirect.port() > 65535) check_port(report, path / "port", redirect.port());
  if (!redirect.scheme().empty() && redirect.scheme() != "http" && redirect.scheme() != "https")
    report.error("SN0132", path / "scheme", "invalid redirect scheme, must be \"http\" or \"https\"");
}

void check_direct_response(Report& report, const Path& path, const api::HTTPDirectResponse& direct) {
  constexpr size_t kLargest = 1 << 20;
  if (direct.status() < 200 || direct.status() > 599)
    report.error("SN0133", path / "status", "status " + std::to_string(direct.status()) + " is not in range 200..599");
  if (std::max(direct.body().string().size(), direct.body().bytes().size()) > kLargest)
    report.error("SN0133", path / "body", "response body size must be less than 1 MiB");
}

// "\\1" in what takes the place of a match means its first group.
void check_regex_rewrite(Report& report, const Path& path, const api::RegexRewrite& rewrite) {
  check_regex(report, path / "match", rewrite.match());
  int groups = 0;
  for (size_t i = 0; i + 1 < rewrite.rewrite().size(); ++i) {
    if (rewrite.rewrite()[i] != '\\') continue;
    const char next = rewrite.rewrite()[++i];
    if (next != '\\' && (next < '0' || next > '9'))
      report.error("SN0134", path / "rewrite", "a backslash is followed by the number of a group, or another one");
    else if (next != '\\')
      groups = std::max(groups, next - '0');
  }
  if (groups > groups_of(rewrite.match()))
    report.error("SN0134", path / "rewrite", "group " + std::to_string(groups) + " is not in the match");
}

void check_rewrite(Report& report, const Path& path, const api::HTTPRewrite& rewrite) {
  if (rewrite.has_uri_regex_rewrite()) {
    if (!rewrite.uri().empty()) report.error("SN0134", path, "rewrite cannot specify both uri and uriRegexRewrite");
    check_regex_rewrite(report, path / "uriRegexRewrite", rewrite.uri_regex_rewrite());
  } else if (rewrite.uri().empty() && rewrite.authority().empty()) {
    report.error("SN0134", path, "rewrite must specify URI, UriRegexRewrite, or authority");
  }
  check_one_line(report, path / "uri", rewrite.uri());
  check_one_line(report, path / "authority", rewrite.authority());
  check_one_line(report, path / "uriRegexRewrite" / "rewrite", rewrite.uri_regex_rewrite().rewrite());
}

void check_mirrors(Report& report, const Path& path, const api::HTTPRoute& http) {
  if (http.has_mirror() && !http.mirrors().empty())
    report.error("SN0135", path, "HTTP route cannot contain both mirror and mirrors");
  if (http.has_mirror()) check_destination(report, path / "mirror", http.mirror());
  if (http.has_mirror_percent())
    check_percent(report, path / "mirrorPercent", static_cast<double>(http.mirror_percent().value()));
  if (http.has_mirror_percentage()) check_percent(report, path / "mirrorPercentage", http.mirror_percentage().value());
  for (int i = 0; i < http.mirrors_size(); ++i) {
    check_destination(report, (path / "mirrors")[i] / "destination", http.mirrors(i).destination());
    if (http.mirrors(i).has_percentage())
      check_percent(report, (path / "mirrors")[i] / "percentage", http.mirrors(i).percentage().value());
  }
}

}  // namespace

void check_destination(Report& report, const Path& path, const api::Destination& destination) {
  if (destination.host().empty())
    report.error("SN0103", path / "host", "destination host is required");
  else if (destination.host() == "*")
    report.error("SN0103", path / "host", "invalid destination host *");
  else
    check_domain_or_address(report, path / "host", destination.host());
  if (destination.has_port()) check_port(report, path / "port" / "number", destination.port().number());
  if (!destination.subset().empty() && !is_dns_label(destination.subset()))
    report.error("SN0103", path / "subset", "subset name is invalid: " + in_quotes(destination.subset()),
                 "letters, digits and -, 63 at most");
}

void check_http_route(Report& report, const Path& path, const api::HTTPRoute& http, Place place) {
  check_action(report, path, http, place);
  for (int i = 0; i < http.match_size(); ++i) check_match(report, (path / "match")[i], http.match(i));
  for (int i = 0; i < http.route_size(); ++i) {
    Path at = (path / "route")[i];
    check_destination(report, at / "destination", http.route(i).destination());
    if (http.route(i).has_headers()) check_headers(report, at / "headers", http.route(i).headers());
  }
  check_weights(report, path / "route", http.route());
  if (http.has_redirect()) check_redirect(report, path / "redirect", http.redirect());
  if (http.has_direct_response()) check_direct_response(report, path / "directResponse", http.direct_response());
  if (http.has_rewrite()) check_rewrite(report, path / "rewrite", http.rewrite());
  if (http.has_timeout() && (http.timeout().seconds() != 0 || http.timeout().nanos() != 0))
    check_duration(report, path / "timeout", http.timeout());
  if (http.has_retries()) check_retries(report, path / "retries", http.retries());
  if (http.has_fault()) check_fault(report, path / "fault", http.fault());
  if (http.has_cors_policy()) check_cors(report, path / "corsPolicy", http.cors_policy());
  if (http.has_headers()) check_headers(report, path / "headers", http.headers());
  check_mirrors(report, path, http);
}

void check_tls_route(Report& report, const Path& path, const api::TLSRoute& tls, const api::VirtualService& spec) {
  if (tls.match().empty()) report.error("SN0136", path, "TLS route must have at least one match condition");
  for (int i = 0; i < tls.match_size(); ++i) {
    Path at = (path / "match")[i];
    if (tls.match(i).sni_hosts().empty()) report.error("SN0136", at, "TLS match must have at least one SNI host");
    for (const std::string& name : tls.match(i).sni_hosts()) {
      if (!check_domain(report, at / "sniHosts", name)) continue;
      bool fits = std::ranges::any_of(spec.hosts(), [&](const std::string& host) {
        return host == name || host == "*" || (host.starts_with("*.") && name.ends_with(host.substr(1)));
      });
      if (!fits)
        report.error(
            "SN0136", at / "sniHosts",
            "SNI host " + in_quotes(name) + " is not a compatible subset of any of the virtual service domains");
    }
    for (const std::string& subnet : tls.match(i).destination_subnets())
      check_address_or_cidr(report, at / "destinationSubnets", subnet);
  }
  if (tls.route().empty()) report.error("SN0136", path, "TLS route is required");
  for (int i = 0; i < tls.route_size(); ++i)
    check_destination(report, (path / "route")[i] / "destination", tls.route(i).destination());
  check_weights(report, path / "route", tls.route());
}

void check_tcp_route(Report& report, const Path& path, const api::TCPRoute& tcp) {
  for (int i = 0; i < tcp.match_size(); ++i) {
    Path at = (path / "match")[i];
    for (const std::string& subnet : tcp.match(i).destination_subnets())
      check_address_or_cidr(report, at / "destinationSubnets", subnet);
    if (!tcp.match(i).source_subnet().empty()) report.not_acting(at / "sourceSubnet", "sourceSubnet");
  }
  if (tcp.route().empty()) report.error("SN0137", path, "TCP route is required");
  for (int i = 0; i < tcp.route_size(); ++i)
    check_destination(report, (path / "route")[i] / "destination", tcp.route(i).destination());
  check_weights(report, path / "route", tcp.route());
}

}  // namespace config
