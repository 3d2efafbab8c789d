// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/route.h"

#include <re2/re2.h>

#include <algorithm>
#include <span>

namespace proxy {

namespace {

using RetryWord = std::pair<std::string_view, uint32_t>;

constexpr RetryWord kRetryWords[] = {
    {"5xx", RetryPolicy::k5xx},
    {"gateway-error", RetryPolicy::kGatewayError},
    {"reset", RetryPolicy::kReset},
    {"connect-failure", RetryPolicy::kConnectFailure},
    {"refused-stream", RetryPolicy::kRefusedStream},
    {"retriable-4xx", RetryPolicy::kRetriable4xx},
    {"retriable-status-codes", RetryPolicy::kRetriableStatusCodes},
    {"retriable-headers", RetryPolicy::kRetriableHeaders},
    {"envoy-ratelimited", RetryPolicy::kEnvoyRatelimited},
    {"reset-before-request", RetryPolicy::kResetBeforeRequest},
};
constexpr RetryWord kGrpcRetryWords[] = {
    {"cancelled", RetryPolicy::kGrpcCancelled},     {"deadline-exceeded", RetryPolicy::kGrpcDeadlineExceeded},
    {"internal", RetryPolicy::kGrpcInternal},       {"resource-exhausted", RetryPolicy::kGrpcResourceExhausted},
    {"unavailable", RetryPolicy::kGrpcUnavailable},
};

uint32_t bits_of(std::string_view words, std::span<const RetryWord> known_words) {
  uint32_t bits = 0;
  for (std::string_view word : base::split(words, ','))
    for (const auto& [known, bit] : known_words)
      if (known == base::trim(word)) bits |= bit;
  return bits;
}

}  // namespace

uint32_t RetryPolicy::on_of(std::string_view words) { return bits_of(words, kRetryWords); }
uint32_t RetryPolicy::grpc_on_of(std::string_view words) { return bits_of(words, kGrpcRetryWords); }

bool is_grpc_type(std::string_view type) {
  static constexpr std::string_view kType = "application/grpc";
  return type.starts_with(kType) &&
         (type.size() == kType.size() || type[kType.size()] == '+' || type[kType.size()] == ';');
}

bool Route::matches(const http::RequestHead& request, std::string_view path_only, const Facts& facts) const {
  if (!path.matches(request, path_only)) return false;
  for (const HeaderMatch& match : headers)
    if (!match.matches(request)) return false;
  for (const QueryMatch& match : query)
    if (!match.matches(request)) return false;
  if (only_grpc) {
    auto type = request.headers.get("content-type");
    if (!type || !is_grpc_type(*type)) return false;
  }
  if (!metadata.empty()) {
    static const Metadata kNothing;
    for (const MetadataMatch& match : metadata)
      if (!match.matches(facts.metadata ? *facts.metadata : kNothing)) return false;
  }
  if (certificate_presented && *certificate_presented != facts.certificate_presented) return false;
  if (certificate_validated && *certificate_validated != facts.certificate_validated) return false;
  return per_million >= 1'000'000 || facts.dice % 1'000'000 < per_million;
}

bool RouteTable::insert(std::vector<Wildcard>& wildcards, std::string_view text, const VirtualHost* host) {
  auto at = std::find_if(wildcards.begin(), wildcards.end(), [&](const Wildcard& w) { return w.size <= text.size(); });
  if (at == wildcards.end() || at->size != text.size()) at = wildcards.insert(at, Wildcard{.size = text.size()});
  return at->hosts.emplace(text, host).second;
}

base::Result<void> RouteTable::add(std::shared_ptr<const VirtualHost> host) {
  for (const std::string& written : host->domains) {
    std::string domain = base::to_lower(written);
    bool added = true;
    if (domain == "*") {
      added = !std::exchange(any_, host.get());
    } else if (domain.starts_with('*')) {
      added = insert(suffixes_, std::string_view(domain).substr(1), host.get());
    } else if (domain.ends_with('*')) {
      added = insert(prefixes_, std::string_view(domain).substr(0, domain.size() - 1), host.get());
    } else {
      added = exact_.emplace(domain, host.get()).second;
    }
    if (!added)
      return base::fail(
          base::ErrorKind::Invalid,
          "Only unique values for domains are permitted. Duplicate entry of domain " + domain + " in route " + name);
  }
  hosts_.push_back(std::move(host));
  return {};
}

const VirtualHost* RouteTable::find(const std::vector<Wildcard>& wildcards, std::string_view host, bool suffix) {
  for (const Wildcard& wildcard : wildcards) {
    if (wildcard.size >= host.size()) continue;  // the star stands for at least one character
    std::string_view part = suffix ? host.substr(host.size() - wildcard.size) : host.substr(0, wildcard.size);
    if (auto it = wildcard.hosts.find(part); it != wildcard.hosts.end()) return it->second;
  }
  return nullptr;
}

static std::string_view without_port(std::string_view authority) {
  size_t colon = authority.rfind(':');
  if (colon == authority.npos) return authority;
  if (size_t bracket = authority.rfind(']'); bracket != authority.npos && bracket > colon) return authority;
  for (char c : authority.substr(colon + 1))
    if (c < '0' || c > '9') return authority;
  return authority.substr(0, colon);
}

const VirtualHost* RouteTable::host_for(std::string_view authority) const {
  if (exact_.empty() && suffixes_.empty() && prefixes_.empty()) return any_;
  if (ignore_port) authority = without_port(authority);
  char small[256];
  std::string large;
  std::string_view host = authority;
  if (std::any_of(authority.begin(), authority.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
    if (authority.size() <= sizeof small) {
      std::transform(authority.begin(), authority.end(), small,
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      host = {small, authority.size()};
    } else {
      large = base::to_lower(authority);
      host = large;
    }
  }
  if (auto it = exact_.find(host); it != exact_.end()) return it->second;
  if (const VirtualHost* found = find(suffixes_, host, true)) return found;
  if (const VirtualHost* found = find(prefixes_, host, false)) return found;
  return any_;
}

Chosen choose(const RouteTable& table, const http::RequestHead& request, const Facts& facts) {
  Chosen chosen;
  chosen.host = table.host_for(request.authority);
  if (!chosen.host) return chosen;
  std::string_view path = request.path;
  path = path.substr(0, path.find_first_of("?#"));
  if (table.ignore_path_parameters) path = path.substr(0, path.find(';'));
  for (const Route& route : chosen.host->routes) {
    if (!route.matches(request, path, facts)) continue;
    chosen.route = &route;
    break;
  }
  return chosen;
}

// The size of what the route's match consumed of the path, for prefix rewrites.
static size_t matched_size(const Route& route, std::string_view path_only) {
  switch (route.path.kind) {
    case PathMatch::Kind::Prefix:
    case PathMatch::Kind::SeparatedPrefix:
      return std::min(route.path.value.size(), path_only.size());
    default:
      return path_only.size();
  }
}

static std::string rewritten(const Route& route, const std::optional<std::string>& prefix,
                             const std::optional<RegexRewrite>& regex, std::string_view path) {
  size_t query_at = std::min(path.find('?'), path.size());
  std::string_view only = path.substr(0, query_at), query = path.substr(query_at);
  if (prefix) {
    std::string out = *prefix;
    std::string_view rest = only.substr(matched_size(route, only));
    out += rest;
    out += query;
    return out;
  }
  if (regex) {
    std::string out(only);
    re2::RE2::GlobalReplace(&out, *regex->pattern, regex->substitution);
    if (!out.empty()) out += query;
    return out;
  }
  return std::string(path);
}

std::string rewritten_path(const Route& route, const Forward& forward, std::string_view path) {
  return rewritten(route, forward.prefix_rewrite, forward.regex_rewrite, path);
}

std::string rewritten_path(const Route& route, const Redirect& redirect, std::string_view path) {
  return rewritten(route, redirect.prefix_rewrite, redirect.regex_rewrite, path);
}

std::string location_of(const Route& route, const Redirect& redirect, const http::RequestHead& request) {
  std::string_view scheme = redirect.scheme.empty() ? std::string_view(request.scheme) : redirect.scheme;
  std::string out(scheme);
  out += "://";
  std::string_view host = redirect.host.empty() ? std::string_view(request.authority) : redirect.host;
  // Another scheme makes the old scheme's default port wrong (Envoy drops :80 and :443 then).
  if (redirect.host.empty() && (redirect.port || scheme != request.scheme)) {
    std::string_view bare = without_port(host);
    if (redirect.port || (request.scheme == "http" && host.ends_with(":80")) ||
        (request.scheme == "https" && host.ends_with(":443")))
      host = bare;
  }
  out += host;
  if (redirect.port) out += ":" + std::to_string(redirect.port);
  std::string_view path = request.path;
  if (redirect.strip_query) path = path.substr(0, path.find('?'));
  if (!redirect.path.empty()) {
    out += redirect.path;
    if (!redirect.strip_query && redirect.path.find('?') == std::string::npos)
      out += path.substr(std::min(path.find('?'), path.size()));
  } else {
    const std::string other = rewritten_path(route, redirect, path);
    out += other.empty() ? path : other;
  }
  return out;
}

const WeightedTarget& pick(const Forward& forward, uint32_t dice) {
  if (forward.targets.size() == 1) return forward.targets[0];
  uint32_t at = dice % forward.total_weight;
  for (const WeightedTarget& target : forward.targets) {
    if (at < target.weight) return target;
    at -= target.weight;
  }
  return forward.targets.back();
}

}  // namespace proxy
