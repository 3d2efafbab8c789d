// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "http/syntax.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

struct Target {
  std::string scheme, authority, path;
};

// "https://host/path?query". As Envoy: a reference without a scheme is the client's to follow. Unlike Envoy, so is
// one that names a user: who the request is from does not follow from what an upstream answers.
std::optional<Target> target_of(std::string_view location) {
  location = location.substr(0, location.find('#'));
  const size_t colon = location.find("://");
  if (colon == location.npos) return std::nullopt;
  Target out{.scheme = base::to_lower(location.substr(0, colon))};
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  location.remove_prefix(colon + 3);
  const size_t slash = location.find_first_of("/?");
  out.authority = location.substr(0, slash);
  out.path = slash == location.npos ? std::string_view("/") : location.substr(slash);
  const auto odd = [](char c) { return c <= ' ' || c > '~'; };
  if (std::ranges::any_of(out.path, odd)) return std::nullopt;
  if (!http::syntax::valid_authority(out.authority) || out.authority.find('%') != out.authority.npos ||
      out.authority.ends_with(':') || out.path[0] == '?')
    return std::nullopt;
  return out;
}

}  // namespace

// Whether the request, which has its new target already, has a route there that the policy's predicates let it take.
bool Stream::may_follow(const InternalRedirects& policy) {
  if (policy.only_safe_schemes && !origin_->tls_on && request.scheme == "https") return false;
  const Chosen to = look_up();
  if (!to.route) return false;
  const auto& allowed = policy.allowed_routes;
  if (allowed && std::ranges::find(*allowed, to.route->name) == allowed->end()) return false;
  if (policy.only_new_routes) {
    std::pair step(chosen_.route->name, to.route->name);
    if (std::ranges::find(redirected_, step) != redirected_.end()) return false;
    redirected_.push_back(std::move(step));
  }
  chosen_ = to;
  record.route = to.route->name;
  return true;
}

// Makes the request one for where the redirect leads. False, and the request as it was: it is not to be followed.
bool Stream::turn_to_redirect() {
  const InternalRedirects& policy = *forward_->internal_redirects;
  const auto location = response.headers.get("location");
  const bool whole = request_ended_ && body_kept_ && !has_request_trailers_;
  if (!location || !whole || redirects_ >= policy.most || copy_ || upgrade_) return false;
  auto target = target_of(*location);
  if (!target) return false;
  // What the connection is decides, not what a header says of it.
  if ((target->scheme == "https") != origin_->tls_on && !policy.across_schemes) return false;

  http::RequestHead before = request;
  request.headers.set("x-envoy-original-url", request.scheme + "://" + request.authority + request.path);
  for (const std::string& name : policy.response_headers_to_copy) {
    request.headers.remove(name);
    if (auto value = response.headers.get(name)) request.headers.add(name, std::string(*value));
  }
  request.scheme = std::move(target->scheme);
  request.authority = std::move(target->authority);
  request.path = std::move(target->path);
  const bool turned = response.status == 303 && request.method != "GET" && request.method != "HEAD";
  if (turned) request.method = "GET";
  // What looks at hosts and paths sees them as it sees those of clients.
  if (settle_target() != Target::Fine || !may_follow(policy)) {
    request = std::move(before);
    return false;
  }
  if (turned) {
    request.headers.remove("content-length");
    request.headers.remove("content-type");
    kept_.clear();
    request_body_ = http::h1::Body::none();
  }
  return true;
}

// An upstream's redirect that the route wants followed here: the request begins
// anew, through routing and filters. False: the client gets the response.
bool Stream::follow_redirect() {
  const auto& codes = forward_->internal_redirects->status_codes;
  if (std::ranges::find(codes, response.status) == codes.end()) return false;
  if (!turn_to_redirect()) {
    ++cluster_->counts.redirects_failed;
    return false;
  }
  ++redirects_;
  ++cluster_->counts.redirects;
  count_request();                            // as Envoy: the one that begins
  if (!origin_->http->access_logs.empty()) {  // as Envoy: a line for each of them
    record.status = response.status;
    record.details = "internal_redirect";
    response_coming_ = true;
    write_logs();
    response_coming_ = false;
    record.status = 0;
    record.details = {};
  }
  release_upstream();
  end_retry();
  timer_.cancel();
  cluster_ = nullptr;
  host_ = nullptr;
  forward_ = nullptr;
  target_ = nullptr;
  retry_ = nullptr;
  hash_.reset();
  tried_.clear();
  record.cluster = record.upstream_host = record.upstream_local = {};
  record.attempts = 0;
  attempts_ = retries_left_ = 0;
  request_sent_ = request_head_sent_ = false;
  kept_sent_ = 0;
  last_active_ = worker_.loop().now();
  route_deadline_ = try_deadline_ = {};
  // What filters found out about the request as it was says nothing of the one that begins.
  end_filters();
  request_path_.clear();  // it is through
  cookie_made_ = false;
  metadata.clear();
  cors_origin_.clear();
  preferred_ = {};
  only_preferred_ = false;
  hold_limit_ = 0;
  filter_at_ = 0;
  filters_off_ = 0;
  choose_policies();  // of the route that may_follow() has looked at
  begin_filters();
  return true;
}

}  // namespace proxy
