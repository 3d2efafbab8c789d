// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "base/hash.h"
#include "base/strings.h"
#include "proxy/stream/peer.h"
#include "proxy/stream/stream.h"

namespace proxy {

using telemetry::Flag;

// Before the filters, which look at the route's policies.
void Stream::choose_route() {
  const HttpConfig& http = *origin_->http;
  table_ = http.own_routes ? http.own_routes.get() : pin_->config->route_table(http.routes);
  if (table_) chosen_ = choose(*table_, request, worker_.dice().roll(), &metadata);
}

void Stream::clear_route_cache() {
  if (phase_ != Phase::Filters) return;
  chosen_ = {};
  target_ = nullptr;
  choose_route();
}

std::optional<std::string_view> Stream::target_cluster_name() {
  const auto* to = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
  if (!to) return std::nullopt;
  if (!to->cluster_header.empty()) return request.headers.get(to->cluster_header);
  if (!target_) target_ = &pick(*to, worker_.dice().roll());
  const Cluster* cluster = pin_->config->cluster(target_->cluster);
  if (!cluster) return std::nullopt;
  return cluster->name;
}

// The request waits for its virtual host; the timer and the worker end that.
bool Stream::await_host() {
  if (request.authority.find('/') != std::string::npos) return false;
  std::string_view host = request.authority;
  if (table_->ignore_port) {
    const size_t colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos)
      host = host.substr(0, colon);
  }
  awaited_host_ = table_->name + "/" + base::to_lower(host);
  resume_at_ = worker_.loop().now() + table_->demand_timeout;
  timer_.arm(table_->demand_timeout);
  worker_.hold(*this, awaited_host_);
  return true;
}

void Stream::look_for_host_again() {
  worker_.unpin(*pin_);
  pin_ = &worker_.pin();
  choose_route();
  if (chosen_.host || !table_) give_up_host();
}

void Stream::give_up_host() {
  Link<AwaitingHost>::leave();
  resume_at_ = {};
  timer_.cancel();
  run_filters();
}

void Stream::route_request() {
  if (!chosen_.route) {
    record.set(Flag::NoRouteFound);
    return send_reply(404, {}, "route_not_found");
  }
  routed_ = true;
  record.route = chosen_.route->name;
  record.virtual_host = chosen_.host->name;
  record.origin = chosen_.route->origin;
  if (chosen_.host->require_tls && request.scheme != "https") {
    static const Redirect kToTls{.scheme = "https"};
    return redirect(kToTls);
  }
  const auto& action = chosen_.route->action;
  if (auto* to = std::get_if<Forward>(&action)) return forward(*to);
  if (auto* to = std::get_if<Redirect>(&action)) return redirect(*to);
  if (auto* direct = std::get_if<DirectResponse>(&action))
    return send_reply(direct->status, direct->body, "direct_response");
  send_reply(500, {}, "non_forwarding_action");
}

void Stream::redirect(const Redirect& redirect) {
  response.headers.clear();
  Reply answer{.status = redirect.status, .details = "direct_response"};
  answer.headers.add("location", location_of(*chosen_.route, redirect, request));
  reply(std::move(answer));
}

void Stream::forward(const Forward& forward) {
  forward_ = &forward;
  Slot slot = kNone;
  if (!forward.cluster_header.empty()) {
    auto name = request.headers.get(forward.cluster_header);
    auto it = name ? pin_->config->cluster_names->find(*name) : pin_->config->cluster_names->end();
    if (it != pin_->config->cluster_names->end()) slot = it->second;
  } else {
    if (!target_) target_ = &pick(forward, worker_.dice().roll());
    slot = target_->cluster;
  }
  cluster_ = worker_.cluster(slot);
  if (!cluster_) {
    record.set(Flag::NoClusterFound);
    return send_reply(forward.cluster_not_found_status, {}, "cluster_not_found");
  }
  record.cluster = cluster_->config()->name;
  retries_left_ = forward.retry && !upgrade_ ? forward.retry->retries : 0;
  prepare_upstream_head(forward);
  auto timeout = forward.timeout;
  if (auto expected = request.headers.get("x-envoy-upstream-rq-timeout-ms");
      expected && !origin_->http->use_remote_address)
    if (auto ms = base::parse_number<uint32_t>(*expected)) timeout = Milliseconds(*ms);
  if (timeout.count() > 0 && !upgrade_) {
    route_deadline_ = started_ + timeout;
    if (!origin_->http->suppress_envoy_headers) {
      char text[16];
      auto [end, error] = std::to_chars(text, text + sizeof text, timeout.count());
      request.headers.set("x-envoy-expected-rq-timeout-ms", {text, static_cast<size_t>(end - text)});
    }
  }
  start_attempt();
}

// What the route says about the request that goes upstream.
void Stream::prepare_upstream_head(const Forward& forward) {
  const Route& route = *chosen_.route;
  std::string_view host_rewrite =
      target_ && !target_->host_rewrite.empty() ? target_->host_rewrite : forward.host_rewrite;
  if (forward.prefix_rewrite || forward.regex_rewrite) {
    original_path = request.path;
    request.headers.set("x-envoy-original-path", original_path);
    request.path = rewritten_path(route, forward, original_path);
  }
  if (forward.append_forwarded_host && !host_rewrite.empty())
    request.headers.add("x-forwarded-host", request.authority);
  if (!host_rewrite.empty()) {
    request.authority = host_rewrite;
  } else if (!forward.host_rewrite_header.empty()) {
    if (auto value = request.headers.get(forward.host_rewrite_header); value && !value->empty())
      request.authority = std::string(*value);
  }
  if (table_->most_specific_wins) {
    table_->request.apply(request.headers, record);
    chosen_.host->request.apply(request.headers, record);
    route.request.apply(request.headers, record);
    if (target_) target_->request.apply(request.headers, record);
  } else {
    if (target_) target_->request.apply(request.headers, record);
    route.request.apply(request.headers, record);
    chosen_.host->request.apply(request.headers, record);
    table_->request.apply(request.headers, record);
  }
}

std::optional<uint64_t> Stream::hash_of(const Forward& forward) const {
  std::optional<uint64_t> out;
  auto mix = [&out](std::string_view text) {
    uint64_t hash = base::xx_hash(text);
    out = out ? (*out << 1 | *out >> 63) ^ hash : hash;
  };
  for (const HashPolicy& policy : forward.hash) {
    switch (policy.kind) {
      case HashPolicy::Kind::Header: {
        std::string joined;
        if (auto value = header_of(request, policy.name, joined)) mix(*value);
        break;
      }
      case HashPolicy::Kind::Cookie: {
        std::string cookies = request.headers.joined("cookie");
        for (std::string_view pair : base::split(cookies, ';')) {
          auto parts = base::cut(base::trim(pair), '=');
          if (parts && parts->first == policy.name) mix(parts->second);
        }
        break;
      }
      case HashPolicy::Kind::SourceIp:
        mix(origin_->remote_ip);
        break;
      case HashPolicy::Kind::Query:
        if (auto value = http::query_parameter(request.query(), policy.name)) mix(*value);
        break;
    }
    if (out && policy.terminal) break;
  }
  return out;
}

void Stream::start_attempt() {
  phase_ = Phase::Connecting;
  request_head_sent_ = false;
  request_sent_ = false;
  kept_sent_ = 0;
  ++attempts_;
  record.attempts = static_cast<uint16_t>(attempts_);
  ClusterState::Wish wish;
  const Cluster& config = *cluster_->config();
  if (!forward_->hash.empty()) wish.hash = hash_of(*forward_);
  wish.preferred = preferred_;
  wish.only_preferred = only_preferred_;
  if (config.type == Cluster::Type::OriginalDst) {
    wish.original = origin_->local;
    if (!config.original_host_header.empty())
      if (auto wanted = request.headers.get(config.original_host_header))
        if (auto address = net::Address::parse_host_port(*wanted)) wish.original = *address;
  }
  if (forward_->retry && forward_->retry->avoid_previous_hosts) {
    wish.tried = &tried_;
    wish.tries = forward_->retry->host_attempts;
  }
  host_ = cluster_->pick(wish);
  if (!host_) {
    ++cluster_->counts.none_healthy;
    record.set(Flag::NoHealthyUpstream);
    return send_reply(503, "no healthy upstream", "no_healthy_upstream");
  }
  tried_.push_back(host_);
  ++host_->requests_total;
  ++cluster_->counts.requests;
  upstream_host_ = host_->text;
  destination_number_ = host_->workload_number;
  record.upstream_host = upstream_host_;
  bool http2 = false;
  switch (config.http) {
    case Cluster::Http::Http2:
      http2 = true;
      break;
    case Cluster::Http::AsDownstream:
      http2 = record.protocol == telemetry::Protocol::Http2 && (!origin_->from_seine || http2_to_application_);
      break;
    default:
      break;
  }
  if (upgrade_) http2 = false;
  http2_wanted_ = http2;
  if (forward_->auto_host_rewrite && !host_->hostname.empty()) request.authority = host_->hostname;
  const Host::Taken taken = host_->take(*this, http2);
  if (taken.overflow) return overflow();
  upstream_ = taken.upstream;
  waiting_ = !upstream_;
  if (upstream_) return send_request_head();
  arm_timers();
}

void Stream::arm_timers() {
  net::Clock::time_point next{};
  if (forward_->retry && forward_->retry->per_try_timeout.count() > 0 && !response_started_) {
    if (try_deadline_ == net::Clock::time_point{})
      try_deadline_ = worker_.loop().now() + forward_->retry->per_try_timeout;
    next = try_deadline_;
  }
  if (route_deadline_ != net::Clock::time_point{} && (next == net::Clock::time_point{} || route_deadline_ < next))
    next = route_deadline_;
  if (phase_ == Phase::Backoff && resume_at_ != net::Clock::time_point{} &&
      (next == net::Clock::time_point{} || resume_at_ < next))
    next = resume_at_;
  if (request_deadline_ != net::Clock::time_point{} && !request_ended_ &&
      (next == net::Clock::time_point{} || request_deadline_ < next))
    next = request_deadline_;
  if (next == net::Clock::time_point{}) return;
  auto now = worker_.loop().now();
  timer_.arm(next > now ? next - now : net::Clock::duration{});
}

// The circuit breaker is open: this request is one too many.
void Stream::overflow() {
  ++cluster_->counts.pending_overflow;
  fail_with({.kind = Failure::Kind::Overflow});
}

void Stream::send_request_head() {
  if (!cluster_->request_began(high_priority())) {
    std::exchange(upstream_, nullptr)->reset(*this);  // it carried nothing yet
    return overflow();
  }
  phase_ = Phase::Streaming;
  ++host_->active;
  cluster_->report(*host_, Outcome::Connected);
  upstream_began_ = worker_.loop().now();
  if (!origin_->http->access_logs.empty()) {
    upstream_local_ = upstream_->connection().local().text();
    record.upstream_local = upstream_local_;
  }
  if (chosen_.host->attempt_count_in_request) {
    char text[12];
    auto [end, error] = std::to_chars(text, text + sizeof text, attempts_);
    request.headers.set("x-envoy-attempt-count", {text, static_cast<size_t>(end - text)});
  }
  if (host_->transport->istio_alpn) {
    if (!worker_.options.peer_metadata.empty()) {
      request.headers.set(kPeerMetadata, worker_.options.peer_metadata);
      request.headers.set(kPeerMetadataId, worker_.options.node_id);
    }
    if (upstream_->speaks_seine() && http2_wanted_) request.headers.set(kSeineHttp, "2");
  }
  bool end = request_ended_ && kept_.empty() && !has_request_trailers_;
  request_head_sent_ = true;
  request_sent_ = end;
  upstream_->send_head(*this, request, request_body_, end);
  arm_timers();
  if (end || (kept_.empty() && !request_ended_)) return;
  push_request();
  report_consumed();
}

}  // namespace proxy
