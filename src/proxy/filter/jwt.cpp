// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/jwt.h"

#include <algorithm>

#include "base/strings.h"
#include "proxy/filter/jwt_check.h"
#include "proxy/stream/stream.h"

namespace proxy {

static constexpr std::string_view kSpace = "envoy.filters.http.jwt_authn";

struct JwtFilter::State final : FilterState {
  KeysWaiter waiter;
  const JwtRequirement* requirement = nullptr;
  const JwtProvider* waits_for = nullptr;
  std::vector<const JwtProvider*> unreachable;  // for this request: fetched once and not there
  void on_end(Stream&) override { waiter.leave(); }
};

namespace {

std::string text_of(const base::Json& claim) {
  if (claim.is_string()) return claim.get<std::string>();
  if (claim.is_structured()) return base::to_base64(claim.dump());
  return claim.is_number_float() ? std::to_string(claim.get<double>()) : claim.dump();
}

// Nobody but this filter writes these.
void sanitize(const JwtProvider& provider, http::Headers& headers) {
  if (!provider.payload_header.empty()) headers.remove(provider.payload_header);
  for (const auto& mapped : provider.claim_headers) headers.remove(mapped.header);
}

base::Json claims_for_metadata(const JwtProvider& provider, const base::Json& claims) {
  base::Json out = claims;
  for (const std::string& name : provider.space_delimited) {
    auto it = out.find(name);
    if (it == out.end() || !it->is_string()) continue;
    auto list = base::Json::array();
    for (std::string_view word : base::split(it->get_ref<const std::string&>(), ' '))
      if (!word.empty()) list.push_back(std::string(word));
    *it = std::move(list);
  }
  return out;
}

void apply(const JwtCheck::Step& accepted, Stream& stream, bool& changed_route) {
  const JwtProvider& provider = *accepted.provider;
  http::Headers& headers = stream.request.headers;
  if (!accepted.jwt) return sanitize(provider, headers);
  const base::Json& claims = accepted.jwt->claims;
  if (!provider.payload_header.empty()) {
    std::string payload(base::split(accepted.token.text, '.')[1]);
    while (provider.pad_payload && payload.size() % 4) payload += '=';
    headers.add(provider.payload_header, payload);
  }
  for (const auto& mapped : provider.claim_headers) {
    const base::Json* at = &claims;
    for (const std::string& key : mapped.claim) {
      auto it = at && at->is_object() ? at->find(key) : base::Json::const_iterator();
      at = at && at->is_object() && it != at->end() ? &*it : nullptr;
    }
    if (!at || at->is_null()) continue;
    std::string value = text_of(*at);
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) continue;  // no header could carry it
    headers.add(mapped.header, value);
    changed_route |= provider.clear_route_cache;
  }
  if (!provider.payload_key.empty()) {
    stream.metadata.space(kSpace)[provider.payload_key] = claims_for_metadata(provider, claims);
    changed_route |= provider.clear_route_cache;
  }
  if (!provider.header_key.empty()) {
    stream.metadata.space(kSpace)[provider.header_key] = accepted.jwt->header;
    changed_route |= provider.clear_route_cache;
  }
  if (provider.forward) return;
  const JwtProvider::Place& place = accepted.token.place;
  if (place.kind == JwtProvider::Place::Kind::Header) headers.remove(place.name);
  if (place.kind == JwtProvider::Place::Kind::Query) http::remove_query_parameter(stream.request.path, place.name);
}

}  // namespace

Verdict JwtFilter::on_request(Stream& stream) const {
  const http::RequestHead& request = stream.request;
  for (const JwtProvider& provider : config_.providers) sanitize(provider, stream.request.headers);
  if (config_.bypass_preflight && request.method == "OPTIONS" && !request.headers.get("origin").value_or("").empty() &&
      !request.headers.get("access-control-request-method").value_or("").empty()) {
    stream.worker().count(config_.bypassed);
    return Continue{};
  }
  const JwtRequirement* requirement = nullptr;
  if (const auto* own = stream.policy<JwtPolicy>(*this)) {
    if (own->off) return Continue{};
    for (const auto& [slot, named] : config_.named)
      if (slot == own->requirement) requirement = &named;
    if (!requirement) {
      std::string problem = "Wrong requirement_name: " + own->name + ". It should be one of [" + config_.names + "]";
      stream.worker().count(config_.denied);
      return Reply{.status = 403,
                   .body = "Failed JWT authentication: " + problem,
                   .details = "jwt_authn_access_denied{wrong_requirement_name}"};
    }
  } else {
    for (const JwtRule& rule : config_.rules) {
      if (!rule.match.matches(request, request.path_only(),
                              {.dice = stream.worker().dice().roll(), .metadata = &stream.metadata}))
        continue;
      requirement = &rule.requirement;
      break;
    }
  }
  if (!requirement || requirement->kind == JwtRequirement::Kind::None) {
    stream.worker().count(config_.allowed);
    return Continue{};
  }
  return verify(stream, *requirement);
}

Verdict JwtFilter::verify(Stream& stream, const JwtRequirement& requirement) const {
  static const std::vector<const JwtProvider*> kNone;
  State* state = stream.find_state<State>(*this);
  JwtCheck check(config_, stream.request, stream.worker(), state ? state->unreachable : kNone);
  std::string_view problem = check.run(requirement);
  if (const JwtProvider* provider = check.lacks()) {
    State& waiting = stream.state<State>(*this);
    waiting.requirement = &requirement;
    waiting.waits_for = provider;
    waiting.waiter.ready = [this, &stream, &waiting] {
      if (!stream.worker().state<JwksCache>(waiting.waits_for->remote->cache).keys(*waiting.waits_for->remote))
        waiting.unreachable.push_back(waiting.waits_for);
      Verdict verdict = verify(stream, *waiting.requirement);
      if (auto* answer = std::get_if<Reply>(&verdict)) return stream.reply(std::move(*answer));
      if (std::holds_alternative<Continue>(verdict)) stream.resume_request();
    };
    stream.worker().state<JwksCache>(provider->remote->cache).wait(*provider->remote, waiting.waiter);
    return Pause{};
  }
  for (const JwtCheck::Failed& failed : check.failed())
    if (!failed.provider->failure_key.empty()) {
      base::Json& status = stream.metadata.space(kSpace)[failed.provider->failure_key];
      status = {{"message", std::string(failed.problem)}};
      if (auto code = code_of_problem(failed.problem)) status["code"] = *code;
    }
  if (!problem.empty()) return deny(stream, problem);
  bool changed_route = false;
  for (const JwtCheck::Step& step : check.steps()) apply(step, stream, changed_route);
  if (changed_route) stream.clear_route_cache();
  stream.worker().count(config_.allowed);
  return Continue{};
}

Verdict JwtFilter::deny(Stream& stream, std::string_view problem) const {
  stream.worker().count(config_.denied);
  Reply reply{.status = problem == JwtCheck::kWrongAudience ? 403 : 401};
  reply.details = "jwt_authn_access_denied{";
  for (char c : problem) reply.details += c == ' ' ? '_' : c;
  reply.details += '}';
  if (config_.bare_failures) return reply;
  reply.body = problem;
  constexpr size_t kLongestPath = 256;
  std::string realm =
      stream.request.scheme + "://" + stream.request.authority + stream.request.path.substr(0, kLongestPath);
  std::erase_if(realm, [](char c) { return c == '"' || c == '\\'; });
  reply.headers.add("www-authenticate", "Bearer realm=\"" + realm + "\"" +
                                            (problem == JwtCheck::kMissing ? "" : ", error=\"invalid_token\""));
  return reply;
}

}  // namespace proxy
