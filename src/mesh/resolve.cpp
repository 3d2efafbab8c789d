// SPDX-License-Identifier: Apache-2.0
#include "mesh/resolve.h"

#include "config/specs.h"
#include "mesh/snapshot.h"

namespace mesh {
namespace {

namespace api = config::networking;

void expand(std::string* host, std::string_view ns, std::string_view domain) {
  if (!host->empty()) *host = full_hostname(*host, ns, domain);
}

std::string full_gateway(std::string_view name, std::string_view ns) {
  if (name == "mesh" || name.find('/') != std::string_view::npos) return std::string(name);
  return std::string(ns) + "/" + std::string(name);
}

void expand_gateways(auto* gateways, std::string_view ns) {
  for (std::string& gateway : *gateways) gateway = full_gateway(gateway, ns);
}

void expand_http(api::HTTPRoute& http, std::string_view ns, std::string_view domain) {
  for (auto& match : *http.mutable_match()) expand_gateways(match.mutable_gateways(), ns);
  for (auto& route : *http.mutable_route()) expand(route.mutable_destination()->mutable_host(), ns, domain);
  if (http.has_mirror()) expand(http.mutable_mirror()->mutable_host(), ns, domain);
  for (auto& mirror : *http.mutable_mirrors()) expand(mirror.mutable_destination()->mutable_host(), ns, domain);
  if (http.has_delegate() && http.delegate().namespace_().empty())
    http.mutable_delegate()->set_namespace_(std::string(ns));
}

template <typename Route>
void expand_layer4(Route& layer4, std::string_view ns, std::string_view domain) {
  for (auto& match : *layer4.mutable_match()) expand_gateways(match.mutable_gateways(), ns);
  for (auto& route : *layer4.mutable_route()) expand(route.mutable_destination()->mutable_host(), ns, domain);
}

// Combines one string match of root and delegate; false where no request can
// satisfy both.
bool narrow(const api::StringMatch& root, api::StringMatch& own) {
  if (root.match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET) return true;
  if (own.match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET) {
    own = root;
    return true;
  }
  if (root.has_prefix()) {
    if (own.has_prefix()) return own.prefix().starts_with(root.prefix());
    if (own.has_exact()) return own.exact().starts_with(root.prefix());
    return false;
  }
  if (root.has_exact()) return own.has_exact() && own.exact() == root.exact();
  return own.has_regex() && own.regex() == root.regex();
}

bool narrow_map(const auto& root, auto* own) {
  for (const auto& [name, match] : root) {
    auto found = own->find(name);
    if (found == own->end())
      (*own)[name] = match;
    else if (!narrow(match, found->second))
      return false;
  }
  return true;
}

bool narrow(const api::HTTPMatchRequest& root, api::HTTPMatchRequest& own) {
  if (!narrow(root.uri(), *own.mutable_uri()) || !narrow(root.method(), *own.mutable_method()) ||
      !narrow(root.authority(), *own.mutable_authority()) || !narrow(root.scheme(), *own.mutable_scheme()))
    return false;
  if (own.uri().match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET) own.clear_uri();
  if (own.method().match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET) own.clear_method();
  if (own.authority().match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET) own.clear_authority();
  if (own.scheme().match_type_case() == api::StringMatch::MATCH_TYPE_NOT_SET) own.clear_scheme();
  if (!narrow_map(root.headers(), own.mutable_headers()) ||
      !narrow_map(root.query_params(), own.mutable_query_params()) ||
      !narrow_map(root.without_headers(), own.mutable_without_headers()))
    return false;
  if (root.port() && own.port() && root.port() != own.port()) return false;
  if (root.port()) own.set_port(root.port());
  if (own.gateways().empty()) *own.mutable_gateways() = root.gateways();
  for (const auto& [key, value] : root.source_labels()) (*own.mutable_source_labels())[key] = value;
  if (own.source_namespace().empty()) own.set_source_namespace(root.source_namespace());
  if (root.ignore_uri_case()) own.set_ignore_uri_case(true);
  return true;
}

// The delegate's route as seen through the root's; nullopt where no match is left.
std::optional<api::HTTPRoute> through(const api::HTTPRoute& root, const api::HTTPRoute& delegate) {
  api::HTTPRoute out = delegate;
  if (!root.name().empty()) out.set_name(delegate.name().empty() ? root.name() : root.name() + "-" + delegate.name());
  if (root.match_size() > 0) {
    out.clear_match();
    for (const auto& outer : root.match()) {
      if (delegate.match_size() == 0) *out.add_match() = outer;
      for (const auto& inner : delegate.match()) {
        api::HTTPMatchRequest both = inner;
        if (narrow(outer, both)) *out.add_match() = std::move(both);
      }
    }
    if (out.match_size() == 0) return std::nullopt;
  }
  if (root.has_rewrite()) *out.mutable_rewrite() = root.rewrite();
  if (root.has_timeout()) *out.mutable_timeout() = root.timeout();
  if (root.has_retries()) *out.mutable_retries() = root.retries();
  if (root.has_fault()) *out.mutable_fault() = root.fault();
  if (root.has_mirror()) *out.mutable_mirror() = root.mirror();
  if (root.has_cors_policy()) *out.mutable_cors_policy() = root.cors_policy();
  if (root.has_headers() && !delegate.has_headers()) *out.mutable_headers() = root.headers();
  return out;
}

}  // namespace

std::shared_ptr<const config::VirtualService> resolved(const config::VirtualService& source, std::string_view domain) {
  auto out = std::make_shared<config::VirtualService>(source);
  const std::string& ns = source.meta.ref.ns;
  for (std::string& host : *out->spec.mutable_hosts()) expand(&host, ns, domain);
  if (out->spec.gateways().empty()) out->spec.add_gateways("mesh");
  expand_gateways(out->spec.mutable_gateways(), ns);
  for (auto& http : *out->spec.mutable_http()) expand_http(http, ns, domain);
  for (auto& tls : *out->spec.mutable_tls()) expand_layer4(tls, ns, domain);
  for (auto& tcp : *out->spec.mutable_tcp()) expand_layer4(tcp, ns, domain);
  return out;
}

std::shared_ptr<const config::DestinationRule> resolved(const config::DestinationRule& source,
                                                        std::string_view domain) {
  auto out = std::make_shared<config::DestinationRule>(source);
  expand(out->spec.mutable_host(), source.meta.ref.ns, domain);
  return out;
}

std::shared_ptr<const config::VirtualService> with_delegates(const std::shared_ptr<const config::VirtualService>& root,
                                                             const FindDelegate& find) {
  auto delegates = [](const api::HTTPRoute& http) { return http.has_delegate(); };
  if (std::ranges::none_of(root->spec.http(), delegates)) return root;
  auto out = std::make_shared<config::VirtualService>(*root);
  out->spec.clear_http();
  for (const api::HTTPRoute& http : root->spec.http()) {
    if (!http.has_delegate()) {
      *out->spec.add_http() = http;
      continue;
    }
    auto delegate = find(http.delegate().namespace_(), http.delegate().name());
    if (!delegate) continue;
    for (const api::HTTPRoute& inner : delegate->spec.http())
      if (auto route = through(http, inner)) *out->spec.add_http() = std::move(*route);
  }
  return out;
}

std::shared_ptr<const config::DestinationRule> merged(const std::shared_ptr<const config::DestinationRule>& first,
                                                      const config::DestinationRule& later) {
  auto out = std::make_shared<config::DestinationRule>(*first);
  for (const auto& subset : later.spec.subsets()) {
    auto same = [&](const api::Subset& known) { return known.name() == subset.name(); };
    if (std::ranges::none_of(out->spec.subsets(), same)) *out->spec.add_subsets() = subset;
  }
  if (!out->spec.has_traffic_policy() && later.spec.has_traffic_policy())
    *out->spec.mutable_traffic_policy() = later.spec.traffic_policy();
  return out;
}

}  // namespace mesh
