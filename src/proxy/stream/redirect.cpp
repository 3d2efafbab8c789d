// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

struct Target {
  std::string_view scheme, authority, path;
};

// "https://host/path?query"; a Location without a scheme is relative to the
// request and, as in Envoy, only taken where it is a path from the root.
std::optional<Target> target_of(std::string_view location, const http::RequestHead& request) {
  location = location.substr(0, location.find('#'));
  if (location.starts_with('/') && !location.starts_with("//"))
    return Target{request.scheme, request.authority, location};
  size_t colon = location.find("://");
  if (colon == location.npos) return std::nullopt;
  Target out{.scheme = location.substr(0, colon)};
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  location.remove_prefix(colon + 3);
  size_t slash = location.find_first_of("/?");
  out.authority = location.substr(0, slash);
  out.path = slash == location.npos ? std::string_view("/") : location.substr(slash);
  if (out.authority.empty() || out.authority.find('@') != out.authority.npos || out.path[0] == '?') return std::nullopt;
  return out;
}

}  // namespace

// Whether the route's predicates let the request, which has its new target already, go there.
bool Stream::may_follow(const InternalRedirects& policy, std::string_view scheme_before) {
  if (policy.only_safe_schemes && scheme_before != "https" && request.scheme == "https") return false;
  if (!policy.only_new_routes && !policy.allowed_routes) return true;
  const Chosen to = look_up();
  if (!to.route) return false;
  const auto& allowed = policy.allowed_routes;
  if (allowed && std::ranges::find(*allowed, to.route->name) == allowed->end()) return false;
  if (!policy.only_new_routes) return true;
  std::pair step(chosen_.route->name, to.route->name);
  if (std::ranges::find(redirected_, step) != redirected_.end()) return false;
  redirected_.push_back(std::move(step));
  return true;
}

// An upstream's redirect that the route wants followed here: the request begins
// anew, through routing and filters. False: the client gets the response.
bool Stream::follow_redirect() {
  const InternalRedirects& policy = *forward_->internal_redirects;
  if (std::find(policy.status_codes.begin(), policy.status_codes.end(), response.status) == policy.status_codes.end())
    return false;
  auto location = response.headers.get("location");
  bool whole = request_ended_ && body_kept_ && !has_request_trailers_ && request_path_.empty();
  if (!location || !whole || redirects_ >= policy.most || copy_) return false;
  auto target = target_of(*location, request);
  if (!target) return false;
  bool safe = target->scheme == request.scheme || policy.across_schemes;
  if (!safe) return false;

  const bool asked = policy.only_safe_schemes || policy.only_new_routes || policy.allowed_routes;
  std::optional<http::RequestHead> before;
  if (asked) before = request;
  scratch_ = request.scheme + "://" + request.authority + request.path;
  request.headers.set("x-envoy-original-url", scratch_);
  for (const std::string& name : policy.response_headers_to_copy) {
    request.headers.remove(name);
    if (auto value = response.headers.get(name)) request.headers.add(name, std::string(*value));
  }
  std::string scheme(target->scheme), authority(target->authority), path(target->path);
  request.scheme = std::move(scheme);
  request.authority = std::move(authority);
  request.path = std::move(path);
  const bool turned = response.status == 303 && request.method != "GET" && request.method != "HEAD";
  if (turned) request.method = "GET";
  if (before && !may_follow(policy, before->scheme)) {
    request = std::move(*before);
    return false;
  }
  if (turned) {
    request.headers.remove("content-length");
    request.headers.remove("content-type");
    kept_.clear();
    request_body_ = http::h1::Body::none();
  }
  ++redirects_;
  ++cluster_->counts.redirects;
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
  attempts_ = retries_left_ = 0;
  request_sent_ = request_head_sent_ = false;
  kept_sent_ = 0;
  route_deadline_ = try_deadline_ = {};
  filter_at_ = 0;
  filters_off_ = 0;
  chosen_ = {};
  choose_route();
  start_duration();
  run_filters();
  return true;
}

}  // namespace proxy
