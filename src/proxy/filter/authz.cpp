// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/authz.h"

#include <algorithm>

#include "base/strings.h"
#include "proxy/filter/authz_state.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

bool fits(const AuthzService::Names& names, std::string_view header) {
  return std::any_of(names.begin(), names.end(), [&](const StringMatch& match) { return match.matches(header); });
}

// Of one connection, or made anew by whoever answers.
bool is_framing(std::string_view name) {
  for (std::string_view known : {"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te",
                                 "trailer", "proxy-connection"})
    if (name == known) return true;
  return false;
}

}  // namespace

bool AuthzFilter::carries(const AuthzService& service, std::string_view header) const {
  if (config_.disallowed && fits(*config_.disallowed, header)) return false;
  if (service.grpc) return !config_.allowed || fits(*config_.allowed, header);
  return header == "authorization" || fits(service.allowed, header) ||
         (config_.allowed && fits(*config_.allowed, header));
}

// The policies of all levels: the most specific one decides, context extensions add up.
static const AuthzPolicy* policies_of(const Filter& filter, Stream& stream, AuthzState& state) {
  const AuthzPolicy* last = nullptr;
  auto take = [&](const Policies& policies) {
    const auto* entry = policies.find(filter.slot);
    const auto* policy = entry ? dynamic_cast<const AuthzPolicy*>(entry->policy.get()) : nullptr;
    if (!policy) return;
    last = policy;
    for (const auto& [key, value] : policy->extensions) state.extensions[key] = value;
  };
  if (stream.route_table()) take(stream.route_table()->policies);
  if (stream.virtual_host()) take(stream.virtual_host()->policies);
  if (stream.route()) take(stream.route()->policies);
  if (stream.target()) take(stream.target()->policies);
  return last;
}

Verdict AuthzFilter::on_request(Stream& stream) const {
  if (!stream.route()) return Continue{};  // it is answered 404, as in Envoy
  if (config_.per_million < 1'000'000 && stream.worker().dice().roll() % 1'000'000 >= config_.per_million) {
    stream.worker().count(config_.disabled);
    return Continue{};
  }
  if (config_.only_if && !config_.only_if->matches(stream.metadata)) return Continue{};
  State& state = stream.state<State>(*this);
  state.policy = policies_of(*this, stream, state);
  if (state.policy && state.policy->off) {
    state.decided = true;
    return Continue{};
  }
  state.body = state.policy && state.policy->body ? *state.policy->body : config_.body;
  if (state.policy && state.policy->no_body) state.body.most = 0;
  if (state.body.most && !stream.request_bodyless() && !stream.upgrading()) {
    stream.set_hold_limit(std::max(stream.hold_limit(), state.body.most));
    stream.watch_request_body();
    return Pause{};
  }
  ask(stream, {}, false);
  return Pause{};
}

Verdict AuthzFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool end) const {
  State& state = stream.state<State>(*this);
  if (state.decided) return Continue{};
  if (state.asked) return Pause{};
  if (bytes.size() > state.body.most && !state.body.partial)
    return Reply{.status = 413, .body = "Payload Too Large", .details = "request_payload_too_large"};
  if (!end && bytes.size() < state.body.most) return Pause{.gather = true};
  if (!end && !state.body.partial) return Pause{.gather = true};  // exactly full: does more come?
  bool partial = bytes.size() > state.body.most || !end;
  state.shown = true;
  state.body_came = bytes.size();
  ask(stream, bytes.view().substr(0, state.body.most), partial);
  return Pause{};
}

Verdict AuthzFilter::on_request_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return on_request_data(stream, last, true);
}

void AuthzFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  const State* state = stream.find_state<State>(*this);
  if (!state) return;
  for (const AuthzChange& change : state->to_client) change.apply(head.headers);
}

void AuthzFilter::ask(Stream& stream, std::string_view body, bool partial) const {
  State& state = stream.state<State>(*this);
  state.asked = true;
  state.asked_at = stream.worker().loop().now();
  state.call.emplace(stream.worker());
  const AuthzService& service = state.policy && state.policy->service ? *state.policy->service : config_.service;
  if (service.grpc)
    ask_grpc(stream, service, body, partial);
  else
    ask_http(stream, service, body, partial);
}

void AuthzFilter::ask_http(Stream& stream, const AuthzService& service, std::string_view body, bool partial) const {
  http::Request check;
  check.method = stream.request.method;
  check.authority = stream.request.authority;
  check.scheme = stream.request.scheme;
  check.path = service.path_prefix + stream.request.path;
  for (auto field : stream.request.headers)
    if (!is_framing(field.name) && carries(service, field.name)) check.headers.add(field.name, field.value);
  for (auto field : service.to_add) check.headers.set(field.name, field.value);
  if (stream.state<State>(*this).shown) check.headers.set("x-envoy-auth-partial-body", partial ? "true" : "false");
  check.body = body;
  if (body.empty()) check.headers.set("content-length", "0");
  stream.state<State>(*this).call->send(
      service.target, check, [this, &stream, &service](SideAnswer& answer) { on_http(stream, service, answer); });
}

void AuthzFilter::on_http(Stream& stream, const AuthzService& service, SideAnswer& answer) const {
  if (!answer.arrived || answer.status >= 500) return fail(stream);
  State& state = stream.state<State>(*this);
  for (auto field : answer.headers)
    if (fits(service.to_metadata, field.name))
      stream.metadata.space("envoy.filters.http.ext_authz")[std::string(field.name)] = std::string(field.value);
  if (answer.status == 200 && stream.metadata.find("envoy.filters.http.ext_authz", {})) note_duration(stream);
  if (answer.status != 200) {
    Reply reply{.status = answer.status, .body = std::move(answer.body)};
    for (auto field : answer.headers) {
      bool usual = field.name == "www-authenticate" || field.name == "location";
      if (!is_framing(field.name) && (!service.client || usual || fits(*service.client, field.name)))
        reply.headers.add(field.name, field.value);
    }
    return refuse(stream, std::move(reply));
  }
  http::Headers& headers = stream.request.headers;
  bool changed = false;
  if (auto names = answer.headers.get("x-envoy-auth-headers-to-remove"))
    for (std::string_view name : base::split(*names, ',')) changed |= headers.remove(base::to_lower(base::trim(name)));
  for (auto field : answer.headers) {
    if (is_framing(field.name)) continue;
    if (fits(service.upstream, field.name)) {
      headers.set(field.name, field.value);
      changed = true;
    }
    if (fits(service.upstream_append, field.name)) {
      headers.add(field.name, field.value);
      changed = true;
    }
    if (fits(service.client_on_success, field.name))
      state.to_client.push_back({std::string(field.name), std::string(field.value), AuthzChange::How::Append});
  }
  allow(stream, changed);
}

// Beside what the service noted: how long it took, in milliseconds.
void AuthzFilter::note_duration(Stream& stream) const {
  const auto took = stream.worker().loop().now() - stream.state<State>(*this).asked_at;
  stream.metadata.space("envoy.filters.http.ext_authz")["ext_authz_duration"] =
      std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
}

void AuthzFilter::allow(Stream& stream, bool changed) const {
  stream.state<State>(*this).decided = true;
  stream.worker().count(config_.ok);
  if (changed && config_.clear_route_cache) stream.clear_route_cache();
  stream.resume_request();
}

void AuthzFilter::refuse(Stream& stream, Reply reply) const {
  stream.state<State>(*this).decided = true;
  stream.worker().count(config_.denied);
  reply.details = "ext_authz_denied";
  reply.flags = static_cast<uint32_t>(telemetry::Flag::UnauthorizedExternal);
  stream.reply(std::move(reply));
}

void AuthzFilter::fail(Stream& stream) const {
  stream.state<State>(*this).decided = true;
  stream.worker().count(config_.error);
  if (config_.allow_on_error) {
    stream.worker().count(config_.allowed_on_error);
    if (config_.say_so) stream.request.headers.set("x-envoy-auth-failure-mode-allowed", "true");
    return stream.resume_request();
  }
  stream.reply({.status = config_.status_on_error,
                .details = "ext_authz_error",
                .flags = static_cast<uint32_t>(telemetry::Flag::UnauthorizedExternal)});
}

}  // namespace proxy
