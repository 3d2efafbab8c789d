// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/stream.h"

#include <algorithm>

#include "base/log.h"
#include "proxy/stream/shadow.h"
#include "proxy/tcp/relay.h"

namespace proxy {

// As much of a request's body is kept for a retry, or waits for an upstream.
static constexpr size_t kKept = 64 * 1024;

Stream::Stream(Worker& worker) : worker_(worker), timer_(worker.loop(), [this] { on_timer(); }) {}

void Stream::begin(Downstream& downstream, const Origin& origin, telemetry::Protocol protocol, uint64_t stream_id) {
  downstream_ = &downstream;
  origin_ = &origin;
  id = stream_id;
  upstream_id = 0;
  pin_ = &worker_.pin();
  upstream_ = nullptr;
  cluster_ = nullptr;
  host_ = nullptr;
  table_ = nullptr;
  chosen_ = {};
  forward_ = nullptr;
  target_ = nullptr;
  retry_ = nullptr;
  hash_.reset();
  phase_ = Phase::Filters;
  http2_to_application_ = false;
  upgrade_ = connect_ = agreed_ = tunnel_ = grpc_ = head_request_ = request_ended_ = request_sent_ = response_started_ =
      false;
  response_ended_ = response_sent_ = has_request_trailers_ = has_response_trailers_ = false;
  request_head_sent_ = copy_ = external_ = timed_out_ = cookie_made_ = response_coming_ = false;
  request_bodyless_ = response_bodyless_ = response_held_ = replied_ = routed_ = false;
  response_filter_at_ = 0;
  hold_limit_ = 0;
  preferred_ = {};
  only_preferred_ = false;
  body_kept_ = true;
  attempts_ = retries_left_ = destination_number_ = redirects_ = 0;
  redirected_.clear();
  request_spelling.reset();
  response_spelling.reset();
  retry_counted_ = false;
  keep_limit_ = kKept;
  client_ip_.clear();
  upstream_host_.clear();
  upstream_name_.clear();
  route_timeout_ = try_timeout_ = try_idle_timeout_ = Milliseconds(0);
  idle_timeout_ = origin.http->stream_idle_timeout;
  filter_at_ = 0;
  filters_off_ = 0;
  kept_sent_ = 0;
  response_owed_ = 0;
  started_ = last_active_ = worker_.loop().now();
  route_deadline_ = try_deadline_ = resume_at_ = duration_deadline_ = request_deadline_ = {};

  record = {};
  record.source = this;
  record.find = &Stream::find_header;
  record.find_fact = &Stream::find_fact;
  record.find_metadata = &Stream::find_metadata;
  record.mark(telemetry::Point::DownstreamRxBegin, started_);
  record.connection_id = origin.id;
  if (origin.chain) record.filter_chain = origin.chain->name;
  record.protocol = protocol;
  record.tls = origin.tls != nullptr;
  record.mutual_tls = origin.mutual_tls;
  record.downstream_local = origin.local_text;
  record.downstream_remote = origin.remote_text;
  record.downstream_direct = origin.direct_text;
  record.peer_uri_san = origin.peer_uri;
  if (origin.tls) record.server_name = origin.tls->server_name;
  ++worker_.active_streams;
  ++counts().requests_active;
  count_request();
}

void Stream::count_request() {
  ++counts().requests;
  ++(record.protocol == telemetry::Protocol::Http2 ? counts().requests_http2 : counts().requests_http1);
}

void Stream::on_request(http::h1::Body body, bool end, bool wants_upgrade) {
  request_body_ = body;
  request_ended_ = request_bodyless_ = end;
  if (end) record.mark(telemetry::Point::DownstreamRxEnd, started_);
  head_request_ = request.method == "HEAD";
  note_tunnel(wants_upgrade);
  if (worker_.options.overload && shed()) return;
  if (!prepare_request()) return;
  choose_route();
  if (table_ && table_->on_demand && !chosen_.host && await_host()) return;
  start_filters();
}

// Answers a request that overload takes: cheaply, before anything is done for it.
bool Stream::shed() {
  if (!origin_->listener || origin_->listener->ignore_overload || !worker_.overloaded(&OverloadState::stop_requests))
    return false;
  ++counts().overloaded;
  record.set(telemetry::Flag::OverloadManager);
  Reply answer{.status = 503, .body = "envoy overloaded", .details = "overload", .unfiltered = true};
  if (origin_->http->tells_overload) answer.headers.add("x-envoy-local-overloaded", "true");
  reply(std::move(answer));
  return true;
}

// The route is as known as it will be.
void Stream::start_filters() {
  if (upgrade_ && !upgrade_allowed()) {
    if (!connect_ || chosen_.route) return send_reply(403, {}, "upgrade_failed");
    record.set(telemetry::Flag::NoRouteFound);
    ++counts().no_route;
    return send_reply(404, {}, "route_not_found");
  }
  if (upgrade_) ++counts().upgrades;
  begin_filters();
}

void Stream::begin_filters() {
  start_duration();
  run_filters();
  if (phase_ != Phase::Done && !replied_) move_request_body();  // what came before a filter watched
}

// All of the request is here: from now on the upstream is waited for.
void Stream::on_request_end() {
  record.mark(telemetry::Point::DownstreamRxEnd, worker_.loop().now());
  request_deadline_ = {};
  if (!forward_ || upgrade_ || replied_) return;
  auto now = worker_.loop().now();
  if (route_timeout_.count() > 0) route_deadline_ = now + route_timeout_;
  if (try_timeout_.count() > 0 && phase_ == Phase::Streaming && !response_started_) try_deadline_ = now + try_timeout_;
  arm_timers();
}

void Stream::run_filters() {
  phase_ = Phase::Filters;
  const auto& filters = origin_->http->filters;
  while (filter_at_ < filters.size()) {
    const Filter& filter = *filters[filter_at_++];
    if (filter_is_off(filter)) {
      filters_off_ |= uint64_t{1} << (filter_at_ - 1);
      continue;
    }
    Verdict verdict = filter.on_request(*this);
    if (std::holds_alternative<Continue>(verdict)) continue;
    if (auto* answer = std::get_if<Reply>(&verdict)) return reply(std::move(*answer));
    return;  // paused
  }
  route_request();
}

void Stream::wait_and_repeat(std::chrono::milliseconds delay) {
  --filter_at_;
  resume_at_ = worker_.loop().now() + delay;
  arm_timers();
}

// --- the request's body -------------------------------------------------

void Stream::on_request_data(std::string_view bytes, bool end) {
  if (phase_ == Phase::Done) return;
  record.bytes_received += bytes.size();
  last_active_ = worker_.loop().now();
  if (!request_path_.empty()) return request_body_came(bytes, end, false);
  if (end && !request_ended_) {
    request_ended_ = true;
    on_request_end();
  }
  if (response_sent_) return;
  for (Shadow* shadow : shadows_) shadow->on_data(bytes, end);
  bool streaming = phase_ == Phase::Streaming && upstream_ && (!upgrade_ || tunnel_);
  if (streaming && kept_.empty() && !keeping()) {
    body_kept_ = body_kept_ && bytes.empty();
    size_t taken = upstream_->send_data(*this, bytes, end);
    if (taken == bytes.size()) {
      request_sent_ = end;
      if (end) record.mark(telemetry::Point::UpstreamTxEnd, last_active_);
      if (!bytes.empty()) downstream_->consumed(*this, bytes.size());
      return;
    }
    kept_.append(bytes.substr(taken));
    downstream_->consumed(*this, taken);
    request_unreported_ += bytes.size() - taken;
    return;
  }
  kept_.append(bytes);
  request_unreported_ += bytes.size();
  if (streaming) push_request();
  report_consumed();
}

void Stream::on_request_trailers(http::Headers& trailers) {
  if (phase_ == Phase::Done) return;
  std::swap(request_trailers_, trailers);
  if (!request_path_.empty()) return request_body_came({}, true, true);
  has_request_trailers_ = !request_trailers_.empty();
  request_ended_ = true;
  last_active_ = worker_.loop().now();
  on_request_end();
  for (Shadow* shadow : shadows_) shadow->on_trailers(request_trailers_);
  if (phase_ == Phase::Streaming && upstream_ && !response_sent_) push_request();
}

// The peer may send more while little waits here.
void Stream::report_consumed() {
  if (!request_unreported_ || kept_.size() - kept_sent_ > kKept / 2) return;
  if (!request_path_.empty() && request_path_.backed_up(kKept / 2)) return;
  downstream_->consumed(*this, std::exchange(request_unreported_, 0));
}

// Sends what waits in kept_; false where the upstream takes no more for now.
bool Stream::push_request() {
  if (request_sent_) return true;
  if (upgrade_ && !tunnel_) return false;  // until the upstream agreed, these bytes would be its next request
  bool keep = body_kept_ && keeping() && kept_.size() <= keep_limit_;
  std::string_view unsent = kept_.view().substr(kept_sent_);
  bool end = request_ended_ && !has_request_trailers_;
  if (!unsent.empty() || end) {
    size_t taken = upstream_->send_data(*this, unsent, end);
    if (!upstream_) return false;
    kept_sent_ += taken;
    bool all = taken == unsent.size();
    if (!keep && kept_sent_) {
      if (body_kept_ && keeping()) ++cluster_->counts.retries_abandoned;
      kept_.consume(kept_sent_);
      kept_sent_ = 0;
      body_kept_ = false;
    }
    if (!all) return false;
    request_sent_ = end;
    if (end) record.mark(telemetry::Point::UpstreamTxEnd, worker_.loop().now());
  }
  if (request_ended_ && has_request_trailers_) {
    upstream_->send_trailers(*this, request_trailers_);
    request_sent_ = true;
  }
  return true;
}

void Stream::on_upstream_writable() {
  if (phase_ != Phase::Streaming || !upstream_) return;
  push_request();
  if (request_path_.empty()) return report_consumed();
  if (phase_ != Phase::Done) move_request_body();
}

// --- the response -------------------------------------------------------

void Stream::on_upstream(Upstream& upstream) {
  upstream_ = &upstream;
  if (phase_ != Phase::Connecting) return std::exchange(upstream_, nullptr)->reset(*this);
  send_request_head();
}

void Stream::on_interim() {
  if (phase_ != Phase::Streaming || response_started_) return;
  if (record.protocol == telemetry::Protocol::Http10) return;  // knows no such thing (RFC 9110, 15.2)
  if (response.status == 100 && !origin_->http->forward_100_continue) return;
  downstream_->send_interim(*this, response);
}

void Stream::on_response(http::h1::Body body, bool end) {
  if (phase_ != Phase::Streaming) return;
  const auto now = worker_.loop().now();
  record.mark(telemetry::Point::UpstreamRxBegin, now);
  if (cluster_) {
    cluster_->counts.request_time.observe(std::chrono::duration<double, std::milli>(now - upstream_began_).count());
    if (attempts_ > 1 && retry_ && !wants_retry()) ++cluster_->counts.retry_success;
    cluster_->report(*host_, Outcome::Response, response.status);
    if (host_->shared && !host_->config->checks.empty() &&
        response.headers.contains("x-envoy-immediate-health-check-fail"))
      host_->cluster.shared().fail_check(*host_->shared);
  }
  if (response.status >= 500) ++host_->requests_failed;
  if (!end && body.kind == http::h1::Body::Kind::None) body = http::h1::Body::chunked();
  agreed_ = upgrade_ && (connect_ ? response.status / 100 == 2 : response.status == 101);
  if (response.status == 101 && !agreed_) {  // nobody asked for another protocol
    release_upstream();
    return fail_with({.kind = Failure::Kind::Protocol, .transport = "a switch of protocols that was not asked for"});
  }
  if (forward_->internal_redirects && follow_redirect()) return;
  if (retry_ && retry_after_response()) return;
  last_active_ = now;
  if (cluster_) cluster_->counts.answers.add(response.status);
  // Whatever HTTP/2 brings after such a head, HTTP/1.1 would read as the next answer.
  end = end || head_request_ || asks_head_ || response.status == 204 || response.status == 304;
  if (asks_head_ && !head_request_) {  // by a filter's word; the client would wait for the body that the head tells of
    body = http::h1::Body::length(0);
    response.headers.remove("content-length");
  }
  record.details = "via_upstream";
  response_ended_ = response_bodyless_ = end;
  response_body_ = agreed_ ? http::h1::Body::none() : body;
  prepare_response_head(true);
  try_deadline_ = {};
  run_response_filters();
  if (phase_ == Phase::Streaming && !response_sent_) arm_timers();
}

void Stream::on_response_data(std::string_view bytes, bool end) {
  if (phase_ != Phase::Streaming || !(response_started_ || response_held_)) return;
  if (response_held_ || !response_path_.empty()) return response_body_came(bytes, end, false);
  response_ended_ |= end;
  last_active_ = worker_.loop().now();
  push_response(bytes, end);
}

void Stream::push_response(std::string_view bytes, bool end) {
  if (!response_left_.empty()) {
    response_left_.append(bytes);
    response_owed_ += bytes.size();
    return;
  }
  size_t taken = downstream_->send_data(*this, bytes, end);
  record.bytes_sent += taken;
  if (taken < bytes.size()) {
    response_left_.append(bytes.substr(taken));
    response_owed_ += bytes.size();
    return;
  }
  if (upstream_ && !bytes.empty()) upstream_->consumed(*this, bytes.size());
  if (end) complete_response();
}

void Stream::on_response_trailers(http::Headers& trailers) {
  if (phase_ != Phase::Streaming || !(response_started_ || response_held_)) return;
  std::swap(response_trailers_, trailers);
  if (response_held_ || !response_path_.empty()) return response_body_came({}, true, true);
  response_ended_ = true;
  has_response_trailers_ = !response_trailers_.empty();
  if (!response_left_.empty()) return;
  if (has_response_trailers_) {
    downstream_->send_trailers(*this, response_trailers_);
  } else {
    downstream_->send_data(*this, {}, true);
  }
  complete_response();
}

void Stream::on_downstream_writable() {
  if (phase_ == Phase::Done || response_left_.empty()) return;
  last_active_ = worker_.loop().now();
  if (response_path_.empty()) return flush_response();
  move_response_body();
}

void Stream::complete_response() {
  response_sent_ = true;
  record.mark(telemetry::Point::DownstreamTxEnd, worker_.loop().now());
  finish();
}

// --- ends ---------------------------------------------------------------

void Stream::on_upstream_failed(const Failure& failure) {
  if (phase_ == Phase::Done) return;
  if (upstream_) {
    upstream_ = nullptr;
    --host_->active;
    if (cluster_) cluster_->request_ended(high_priority());
  }
  // All of the response is here, and only the peer is slow to take it.
  if (response_ended_ || response_path_.end_at != BodyPath::kNowhere) {
    host_ = nullptr;
    return;
  }
  transport_failure_ = failure.transport;
  record.transport_failure = transport_failure_;
  if (cluster_ && host_) {
    ++host_->requests_failed;
    const bool connect = failure.kind == Failure::Kind::Connect || failure.kind == Failure::Kind::ConnectTimeout;
    if (connect)
      ++cluster_->counts.connect_failures;
    else if (failure.kind == Failure::Kind::RemoteReset || failure.kind == Failure::Kind::RefusedStream)
      ++cluster_->counts.resets;
    if (failure.kind == Failure::Kind::ConnectTimeout) ++cluster_->counts.connect_timeouts;
    if (!failure.unprocessed) cluster_->report(*host_, connect ? Outcome::ConnectFailed : Outcome::Reset);
    host_ = nullptr;  // may go before this stream does
  }
  if (!response_started_ && !response_held_ && retry_after_failure(failure)) return;
  fail_with(failure);
}

void Stream::end_filters() {
  for (auto& [filter, state] : states_) state->on_end(*this);
  for (auto& [filter, state] : states_) worker_.bury(std::move(state));
  states_.clear();
}

void Stream::abandon() {
  states_.clear();
  if (pin_) worker_.unpin(*std::exchange(pin_, nullptr));
}

void Stream::on_downstream_reset() {
  if (phase_ == Phase::Done) return;
  record.set(telemetry::Flag::DownstreamTermination);
  record.details = "downstream_remote_disconnect";
  if (!response_started_) record.status = 0;
  ++counts().reset;
  finish();
}

// Lets go of whatever this stream has, or waits for, upstream.
void Stream::release_upstream() {
  if (awaited) {
    awaited->stop_waiting(*this);
    host_ = nullptr;
    if (cluster_) ++cluster_->counts.cancelled;
  }
  if (!upstream_) return;
  Upstream* upstream = std::exchange(upstream_, nullptr);
  --host_->active;
  host_ = nullptr;  // may go before this stream does
  if (cluster_) cluster_->request_ended(high_priority());
  upstream->reset(*this);  // harmless where both sides had ended
}

void Stream::finish() {
  if (phase_ == Phase::Done) return;
  phase_ = Phase::Done;
  Link<AwaitingHost>::leave();
  timer_.cancel();
  record.duration = worker_.loop().now() - started_;
  --counts().requests_active;
  if (!copy_) write_record();  // before its upstream connection may go
  release_upstream();
  end_retry();
  for (Shadow* shadow : std::exchange(shadows_, {})) shadow->let_go(request_ended_);
  request_path_.clear();
  response_path_.clear();
  Downstream* downstream = std::exchange(downstream_, nullptr);
  if (downstream) downstream->released(*this);
  worker_.unpin(*pin_);
  pin_ = nullptr;
  --worker_.active_streams;
  kept_.clear();
  kept_.recycle();
  response_left_.clear();
  response_left_.recycle();
  tried_.clear();
  metadata.clear();
  end_filters();
  request_unreported_ = 0;
  worker_.retire(*this);
}

const Cluster* Stream::cluster_config() const { return cluster_ ? cluster_->config() : nullptr; }

std::optional<int> Stream::grpc_status() const {
  auto text = has_response_trailers_ ? response_trailers_.get("grpc-status") : response.headers.get("grpc-status");
  return text ? base::parse_number<int>(*text) : std::nullopt;
}

void Stream::change(http::Headers& headers, const HeaderMutation& mutation) {
  if (mutation.formatted) note_record();
  mutation.apply(headers, record);
}

void Stream::note_record() {
  auto since = worker_.loop().now() - started_;
  if (phase_ != Phase::Done) record.duration = since;
  record.start = worker_.wall_clock() - std::chrono::duration_cast<std::chrono::system_clock::duration>(since);
  record.method = request.method;
  record.path = request.path;
  if (upstream_ && record.upstream_local.empty()) {
    upstream_local_ = upstream_->connection().local().text();
    record.upstream_local = upstream_local_;
  }
  // As Envoy: a request that its route would forward has its cluster, whoever answers.
  if (const auto* to = chosen_.route ? std::get_if<Forward>(&chosen_.route->action) : nullptr;
      to && record.cluster.empty()) {
    if (!target_) target_ = &pick_target(*to);
    if (const Cluster* cluster = pin_->config->cluster(slot_of(*target_)))
      record.cluster = cluster_name_ = cluster->name;
  }
  // As Envoy: with the pseudo-headers.
  record.request_headers_bytes = request.headers.bytes() + request.method.size() + request.path.size() +
                                 request.authority.size() + request.scheme.size() +
                                 sizeof ":method:path:authority:scheme" - 1;
  record.response_headers_bytes =
      response_started_ || response_coming_ ? response.headers.bytes() + sizeof ":status200" - 1 : 0;
  record.response_trailers_bytes = has_response_trailers_ ? response_trailers_.bytes() : 0;
  record.authority = request.authority;
  record.scheme = request.scheme;
  record.grpc = grpc_;
}

void Stream::write_record() {
  if (!origin_->listener) return;  // a side call
  HttpCounts& counts = this->counts();
  if (record.status) {
    ++counts.by_class[std::clamp(record.status / 100, 0, 5)];
    ++counts.completed;
    if (!request_ended_) ++counts.early_responses;
  }
  counts.duration.observe(std::chrono::duration<double, std::milli>(record.duration).count());
  if (worker_.options.istio_metrics) worker_.metrics.count(*this);
  if (!origin_->http->access_logs.empty()) write_logs();
  if (spdlog::should_log(spdlog::level::debug)) [[unlikely]] {
    note_record();
    base::log::debug("request {} {} on connection {}: route {}, cluster {}, endpoint {}, status {}, flags {}, {} ms",
                     base::printable(record.method), base::printable(record.path), origin_->id, record.route,
                     record.cluster, record.upstream_host, record.status,
                     telemetry::flags_text(record.flags, record.protocol),
                     std::chrono::duration_cast<std::chrono::milliseconds>(record.duration).count());
  }
}

void Stream::write_logs() {
  note_record();
  record.log_type = telemetry::LogType::DownstreamEnd;
  for (const auto& log : origin_->http->access_logs) worker_.log(*log, record);
  record.log_type = telemetry::LogType::NotSet;
}

}  // namespace proxy
