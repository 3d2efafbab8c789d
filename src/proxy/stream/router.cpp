// SPDX-License-Identifier: Apache-2.0
#include <re2/re2.h>

#include <charconv>

#include "base/hash.h"
#include "base/strings.h"
#include "proxy/filter/cookie.h"
#include "proxy/stream/peer.h"
#include "proxy/stream/shadow.h"
#include "proxy/stream/stream.h"

namespace proxy {

using telemetry::Flag;

static void mix(std::optional<uint64_t>& hash, uint64_t fresh) {
  hash = hash ? (*hash << 1 | *hash >> 63) ^ fresh : fresh;
}

// Before the filters, which look at the route's policies.
void Stream::choose_route() {
  const HttpConfig& http = *origin_->http;
  table_ = http.own_routes ? http.own_routes.get() : pin_->config->route_table(http.routes);
  if (!table_) return;
  if (external_)
    for (const std::string& name : table_->internal_only_headers) request.headers.remove(name);
  chosen_ = look_up();
  choose_policies();
}

// Policies of a weighted cluster are known once it is.
void Stream::choose_policies() {
  const Forward* forward = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
  if (forward && forward->policies_by_target) choose_target(*forward);
}

Chosen Stream::look_up() {
  const Facts facts{.dice = worker_.dice().roll(),
                    .metadata = &metadata,
                    .certificate_presented = origin_->mutual_tls,
                    .certificate_validated = origin_->tls && origin_->tls->validated};
  return choose(*table_, request, facts);
}

void Stream::choose_target(const Forward& forward) {
  if (!forward.hash.empty() && !hash_) hash_ = hash_of(forward);
  if (!target_) target_ = &pick_target(forward);
}

void Stream::clear_route_cache() {
  if (phase_ != Phase::Filters) return;
  chosen_ = {};
  target_ = nullptr;
  hash_.reset();
  choose_route();
}

std::optional<std::string_view> Stream::target_cluster_name() {
  const auto* to = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
  if (!to) return std::nullopt;
  choose_target(*to);
  if (!target_->cluster_header.empty()) return request.headers.get(target_->cluster_header);
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
  start_filters();
}

// Of this kind, by the listener's word or the route's, which counts more.
bool Stream::upgrade_allowed() const {
  auto wanted = connect_ ? "connect" : request.headers.get("upgrade");
  if (!wanted) return false;
  auto said = [&](const std::vector<UpgradeChoice>& choices) -> std::optional<bool> {
    for (const UpgradeChoice& choice : choices)
      if (base::equal_ignoring_case(choice.type, *wanted)) return choice.enabled;
    return std::nullopt;
  };
  const Forward* forward = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
  if (forward)
    if (auto own = said(forward->upgrades)) return *own;
  return said(origin_->http->upgrades).value_or(false);
}

void Stream::route_request() {
  if (!chosen_.route) {
    record.set(Flag::NoRouteFound);
    ++counts().no_route;
    return send_reply(404, {}, "route_not_found");
  }
  // A filter may choose another method, but no tunnel: nobody watches over where that begins and ends.
  if ((request.method == "CONNECT") != connect_) return send_reply(503, {}, "method_changed_by_filter");
  routed_ = true;
  record.route = chosen_.route->name;
  record.virtual_host = chosen_.host->name;
  record.origin = chosen_.route->origin;
  using Tls = VirtualHost::Tls;
  if (chosen_.host->require_tls != Tls::Any && request.headers.get("x-forwarded-proto") != "https" &&
      (chosen_.host->require_tls == Tls::All || request.headers.get("x-envoy-internal") != "true")) {
    static const Redirect kToTls{.scheme = "https"};
    return redirect(kToTls);
  }
  const auto& action = chosen_.route->action;
  if (auto* to = std::get_if<Forward>(&action)) return forward(*to);
  if (auto* to = std::get_if<Redirect>(&action)) return redirect(*to);
  if (auto* direct = std::get_if<DirectResponse>(&action)) {
    ++counts().direct_responses;
    Reply answer{.status = direct->status, .body = direct->body, .details = "direct_response"};
    // As Envoy: what was made, or has moved, without a place of its own is where it was asked for.
    if (direct->status == 201 || direct->status / 100 == 3)
      answer.headers.add("location", location_of(*chosen_.route, Redirect{}, request));
    if (!direct->body_format) return reply(std::move(answer));
    note_record();
    answer.body.clear();
    record.status = direct->status;
    record.local_reply_body = direct->body;
    direct->body_format->append(record, answer.body);
    record.local_reply_body = {};
    answer.headers.add("content-type", direct->content_type);
    return reply(std::move(answer));
  }
  send_reply(500, {}, "non_forwarding_action");
}

void Stream::redirect(const Redirect& redirect) {
  ++counts().redirects;
  ++counts().direct_responses;  // as Envoy
  response.headers.clear();
  Reply answer{.status = redirect.status, .details = "direct_response"};
  answer.headers.add("location", location_of(*chosen_.route, redirect, request));
  // What is told of the request is the path that it is sent to.
  if (redirect.prefix_rewrite || redirect.regex_rewrite)
    if (auto path = rewritten_path(*chosen_.route, redirect, request.path); !path.empty()) set_path(std::move(path));
  reply(std::move(answer));
}

const WeightedTarget& Stream::pick_target(const Forward& forward) {
  if (forward.targets.size() == 1) return forward.targets[0];
  if (!forward.random_header.empty())
    if (auto text = request.headers.get(forward.random_header))
      if (auto number = base::parse_number<uint64_t>(*text))
        return pick(forward, static_cast<uint32_t>(*number % forward.total_weight));
  if (forward.weight_by_hash && hash_) return pick(forward, static_cast<uint32_t>(*hash_ % forward.total_weight));
  return pick(forward, worker_.dice().roll());
}

Slot Stream::slot_of(const WeightedTarget& target) const {
  if (target.cluster_header.empty()) return target.cluster;
  auto name = request.headers.get(target.cluster_header);
  return name ? pin_->config->slot_named(*name) : kNone;
}

void Stream::forward(const Forward& forward) {
  forward_ = &forward;
  asks_head_ = request.method == "HEAD";
  choose_target(forward);
  cluster_ = worker_.cluster(slot_of(*target_));
  if (!cluster_) {
    record.set(Flag::NoClusterFound);
    if (!copy_) ++counts().no_cluster;
    return send_reply(forward.cluster_not_found_status, {}, "cluster_not_found");
  }
  cluster_name_ = cluster_->config()->name;  // which another configuration may take the place of
  record.cluster = cluster_name_;
  prepare_retries(forward);
  start_timeouts(forward);
  if (!copy_) prepare_upstream_head(forward);
  if (!forward.mirrors.empty() && !copy_ && !upgrade_) start_mirrors(forward);
  start_attempt();
}

void Stream::start_mirrors(const Forward& forward) {
  for (const Mirror& mirror : forward.mirrors)
    if (mirror.per_million >= 1'000'000 || worker_.dice().roll() % 1'000'000 < mirror.per_million)
      shadows_.push_back(Shadow::start(*this, mirror));
}

void Stream::begin_copy(Downstream& downstream, const Origin& origin, const Stream& original, const Mirror& mirror) {
  begin(downstream, origin, original.record.protocol, 0);
  --counts().requests;
  --(original.record.protocol == telemetry::Protocol::Http2 ? counts().requests_http2 : counts().requests_http1);
  copy_ = true;
  worker_.unpin(*pin_);
  pin_ = original.pin_;
  ++pin_->users;
  table_ = original.table_;
  chosen_ = original.chosen_;
  grpc_ = original.grpc_;
  head_request_ = original.head_request_;
  http2_to_application_ = original.http2_to_application_;
  request = original.request;
  request_body_ = original.request_body_;
  request_ended_ = original.request_ended_;
  has_request_trailers_ = original.has_request_trailers_;
  if (has_request_trailers_) request_trailers_ = original.request_trailers_;
  kept_.append(original.kept_.view());

  const std::string& host = mirror.forward->targets[0].host_rewrite;
  if (!host.empty()) {
    request.authority = host;
  } else if (mirror.append_suffix) {
    size_t colon = request.authority.rfind(':');
    if (colon == std::string::npos || request.authority.find(']', colon) != std::string::npos)
      colon = request.authority.size();
    request.authority.insert(colon, "-shadow");
  }
  request.headers.set("x-envoy-internal", "true");
  append_to(request.headers, "x-forwarded-for", origin.local.ip(), ",");
  forward(*mirror.forward);
}

void Stream::rewrite_authority(std::string_view host, const Forward& forward) {
  if (host.empty() || host == request.authority) return;
  if (forward.append_forwarded_host && !request.authority.empty())
    append_to(request.headers, "x-forwarded-host", request.authority, ",");
  if (!origin_->http->suppress_envoy_headers) request.headers.set("x-envoy-original-host", request.authority);
  request.authority = host;
}

void Stream::rewrite_path(const Forward& forward) {
  if (connect_) return;
  if (!forward.prefix_rewrite && !forward.regex_rewrite && !forward.path_format) return;
  std::string path;
  if (forward.path_format) {
    note_record();
    forward.path_format->append(record, path, telemetry::Format::Missing::Nothing);
    if (path.empty()) return;
    path += std::string_view(request.path).substr(std::min(request.path.find('?'), request.path.size()));
  } else {
    path = rewritten_path(*chosen_.route, forward, request.path);
    if (path.empty()) return;
  }
  set_path(std::move(path));
}

void Stream::set_path(std::string path) {
  if (!origin_->http->suppress_envoy_headers) request.headers.set("x-envoy-original-path", request.path);
  request.path = std::move(path);
}

// What the route says about the request that goes upstream. Its headers first,
// so that their formats see the request as it came.
void Stream::prepare_upstream_head(const Forward& forward) {
  const Route& route = *chosen_.route;
  record.attempts = 1;  // as Envoy: the one that comes
  if (chosen_.host->attempt_count_in_request) request.headers.set("x-envoy-attempt-count", "1");
  change(request.headers, target_->request);  // first, whoever wins among the others
  if (table_->most_specific_wins) {
    change(request.headers, table_->request);
    change(request.headers, chosen_.host->request);
    change(request.headers, route.request);
  } else {
    change(request.headers, route.request);
    change(request.headers, chosen_.host->request);
    change(request.headers, table_->request);
  }
  // As Envoy: a target's rewrite leaves no trace, and the route's comes after it.
  if (!target_->host_rewrite.empty()) request.authority = target_->host_rewrite;
  if (!forward.host_rewrite.empty()) {
    rewrite_authority(forward.host_rewrite, forward);
  } else if (!forward.host_rewrite_header.empty()) {
    if (auto value = request.headers.get(forward.host_rewrite_header)) rewrite_authority(std::string(*value), forward);
  } else if (forward.host_rewrite_path) {
    std::string host(request.path_only());
    re2::RE2::GlobalReplace(&host, *forward.host_rewrite_path->pattern, forward.host_rewrite_path->substitution);
    rewrite_authority(host, forward);
  } else if (forward.host_format) {
    std::string host;
    note_record();
    forward.host_format->append(record, host, telemetry::Format::Missing::Nothing);
    rewrite_authority(host, forward);
  }
  rewrite_path(forward);
}

void Stream::hash_cookie(const HashPolicy& policy, std::optional<uint64_t>& hash) {
  std::string_view found = cookie_of(request.headers, policy.name).value_or(std::string_view());
  std::string made;
  if (found.empty() && policy.make_cookie) {
    uint64_t value = worker_.dice().next();
    made = base::to_hex({reinterpret_cast<const char*>(&value), sizeof value});
    cookie_ = policy.name + "=\"" + made + "\"" + policy.cookie_attributes;
    cookie_made_ = true;
    found = made;
  }
  if (!found.empty()) mix(hash, base::xx_hash(found));
}

// As Envoy: the values of a field that is there several times count in their own order, whatever theirs was.
void Stream::hash_header(const HashPolicy& policy, std::optional<uint64_t>& hash) const {
  std::vector<std::string> values;
  std::string joined;
  if (request.headers.count(policy.name) > 1) {
    for (auto field : request.headers)
      if (field.name == policy.name) values.emplace_back(field.value);
    std::ranges::sort(values);
  } else if (auto value = header_of(request, policy.name, joined)) {
    values.emplace_back(*value);
  }
  uint64_t fresh = 0;
  for (std::string& value : values) {
    if (policy.rewrite) re2::RE2::GlobalReplace(&value, *policy.rewrite->pattern, policy.rewrite->substitution);
    fresh = base::xx_hash(value, fresh);
  }
  if (!values.empty()) mix(hash, fresh);
}

std::optional<uint64_t> Stream::hash_of(const Forward& forward) {
  std::optional<uint64_t> out;
  for (const HashPolicy& policy : forward.hash) {
    switch (policy.kind) {
      case HashPolicy::Kind::Header:
        hash_header(policy, out);
        break;
      case HashPolicy::Kind::Cookie:
        hash_cookie(policy, out);
        break;
      case HashPolicy::Kind::SourceIp:
        mix(out, base::xx_hash(remote_ip()));
        break;
      case HashPolicy::Kind::Query:
        if (auto value = http::query_parameter(request.query(), policy.name)) mix(out, base::xx_hash(*value));
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
  response_spelling.reset();
  record.attempts = static_cast<uint16_t>(attempts_);
  if (attempts_ > 1) tell_timeout();
  if (!cluster_->config()) return no_host();  // it went while this waited for its next try
  ClusterState::Wish wish;
  const Cluster& config = *cluster_->config();
  wish.hash = hash_;
  if (attempts_ == 1) {  // as Envoy: a retry goes wherever it can
    wish.preferred = preferred_;
    wish.only_preferred = only_preferred_;
  }
  if (config.type == Cluster::Type::OriginalDst) {
    if (origin_->redirected) wish.original = origin_->local;
    if (!config.original_host_header.empty()) {
      std::string joined;
      if (auto wanted = header_of(request, config.original_host_header, joined)) {
        if (auto address = net::Address::parse_host_port(wanted->substr(0, wanted->find(','))))  // the first of several
          wish.original = *address;
        else
          ++cluster_->counts.original_host_invalid;
      }
    }
  }
  if (retry_) {
    wish.avoid_tried = retry_->avoid_previous_hosts;
    if (retry_->avoid_previous_hosts) wish.tried = &tried_;
    if (attempts_ > 1 && !retry_->omitted.empty()) wish.omitted = &retry_->omitted;
    if (wish.tried || wish.omitted) wish.tries = retry_->host_attempts;
  }
  if (retry_ && retry_->other_priorities_after) {
    wish.other_priorities_after = retry_->other_priorities_after;
    wish.tried = &tried_;
  }
  SubsetCriteria own;
  if (config.subsets) {
    wish.subset = target_->subset.get();
    if (const base::Json* said = metadata.find("envoy.lb", {})) {  // what filters found out goes first
      own = SubsetCriteria(*said, wish.subset);
      wish.subset = &own;
    }
  }
  host_ = cluster_->pick(wish);
  if (!host_) return no_host();
  tried_.push_back({host_, host_->priority});
  upstream_host_ = host_->text;
  upstream_name_ = host_->hostname;
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
  if (ends_connect()) http2 = false;
  http2_wanted_ = http2;
  if (forward_->auto_host_rewrite && !host_->hostname.empty()) rewrite_authority(host_->hostname, *forward_);
  const ConnectionPool::Taken taken = host_->pool_for(*this, http2).take(*this);
  if (taken.overflow) return overflow(cluster_->counts.pending_overflow);
  upstream_ = taken.upstream;
  if (upstream_) return send_request_head();
  arm_timers();
}

void Stream::no_host() {
  ++cluster_->counts.none_healthy;
  record.set(Flag::NoHealthyUpstream);
  answer_for_upstream(503, "no healthy upstream", "no_healthy_upstream");
}

// The circuit breaker is open: this request is one too many.
void Stream::overflow(uint64_t& count) {
  ++count;
  fail_with({.kind = Failure::Kind::Overflow});
}

void Stream::send_request_head() {
  if (!cluster_->request_began(high_priority())) {
    std::exchange(upstream_, nullptr)->reset(*this);  // it carried nothing yet
    host_ = nullptr;
    return overflow(cluster_->counts.active_overflow);
  }
  phase_ = Phase::Streaming;
  ++host_->requests_total;
  ++cluster_->counts.requests;
  ++host_->active;
  cluster_->report(*host_, Outcome::Connected);
  upstream_began_ = worker_.loop().now();
  if (attempts_ == 1) last_active_ = upstream_began_;  // as Envoy: another try is no news of either side
  if (request_ended_ && try_timeout_.count()) try_deadline_ = upstream_began_ + try_timeout_;
  if (!origin_->http->access_logs.empty()) {
    upstream_local_ = upstream_->connection().local().text();
    record.upstream_local = upstream_local_;
  }
  if (chosen_.host->attempt_count_in_request) {
    char text[12];
    auto [end, error] = std::to_chars(text, text + sizeof text, attempts_);
    request.headers.set("x-envoy-attempt-count", {text, static_cast<size_t>(end - text)});
  }
  if (timed_out_ && chosen_.host->timeout_retry_in_request) request.headers.set("x-envoy-is-timeout-retry", "true");
  if (host_->transport->istio_alpn) {
    if (!worker_.options.peer_metadata.empty()) {
      request.headers.set(kPeerMetadata, worker_.options.peer_metadata);
      request.headers.set(kPeerMetadataId, worker_.options.node_id);
    }
    if (upstream_->speaks_seine() && http2_wanted_) request.headers.set(kSeineHttp, "2");
  }
  if (upgrade_ && !upstream_->takes_tunnel(*this)) {
    release_upstream();
    return fail_with({.kind = Failure::Kind::Protocol, .transport = "the upstream does not allow extended CONNECT"});
  }
  if (upgrade_ && !upstream_->is_http2()) complete_handshake();
  if (origin_->http->scheme_of_upstream) request.scheme = host_->transport->is_tls() ? "https" : "http";
  bool end = request_ended_ && kept_.empty() && !has_request_trailers_ && !upgrade_;
  request_head_sent_ = true;
  request_sent_ = end;
  record.mark(telemetry::Point::UpstreamTxBegin, upstream_began_);
  if (end) record.mark(telemetry::Point::UpstreamTxEnd, upstream_began_);
  record.upstream_protocol = upstream_->is_http2() ? telemetry::Protocol::Http2 : telemetry::Protocol::Http11;
  upstream_->send_head(*this, request, request_body_, end);
  if (ends_connect()) {  // the connection is all that was asked for
    response.headers.clear();
    response.status = 200;
    return on_response(http::h1::Body::none(), false);
  }
  arm_timers();
  if (end || (kept_.empty() && !request_ended_)) return;
  on_upstream_writable();
}

}  // namespace proxy
