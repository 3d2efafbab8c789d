// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "google/rpc/status.pb.h"
#include "http/syntax.h"
#include "proxy/access/tls_facts.h"
#include "proxy/filter/authz_state.h"
#include "proxy/runtime/compile.h"
#include "proxy/stream/stream.h"

// ext_authz over gRPC: what the check says of a request, and what its answer changes.
namespace proxy {
namespace {

namespace v3 = envoy::service::auth::v3;
using google::protobuf::RepeatedPtrField;

void set_value(const base::Json& from, google::protobuf::Value& to) {
  if (from.is_null())
    to.set_null_value(google::protobuf::NULL_VALUE);
  else if (from.is_boolean())
    to.set_bool_value(from.get<bool>());
  else if (from.is_number())
    to.set_number_value(from.get<double>());
  else if (from.is_string())
    to.set_string_value(base::to_utf8(from.get_ref<const std::string&>()));
  else if (from.is_array())
    for (const base::Json& element : from) set_value(element, *to.mutable_list_value()->add_values());
  else
    for (const auto& [key, value] : from.items())
      set_value(value, (*to.mutable_struct_value()->mutable_fields())[base::to_utf8(key)]);
}

void add_space(const Metadata& from, const std::string& space, core::Metadata& to) {
  const base::Json* found = from.find(space, {});
  if (!found) return;
  google::protobuf::Value value;
  set_value(*found, value);
  (*to.mutable_filter_metadata())[space] = value.struct_value();
}

// A name and a value that may stand in a message's head; the service is trusted to decide, not to inject. A request's
// pseudo-headers it may change to what a peer could have sent.
bool well_formed(std::string_view name, std::string_view value) {
  if (name == ":path") return value.starts_with('/') && http::syntax::valid_target(value);
  if (name == ":authority" || name == "host") return http::syntax::valid_authority(value);
  if (name == ":method") return http::syntax::valid_token(value);
  return http::syntax::valid_field(name, value);
}

// What an answer's headers are for. As Envoy: only those for the upstream's response heed append_action. With `append`,
// one for the request joins the value that is there, and does nothing where there is none; a refusal takes only those
// without it, each as one more.
enum class For : uint8_t { Request, Refusal, Response };

AuthzChange::How how_of(const core::HeaderValueOption& option, For whom) {
  using How = AuthzChange::How;
  if (whom == For::Refusal) return How::Append;
  if (whom == For::Request) return option.append().value() ? How::AppendIfPresent : How::Overwrite;
  if (option.has_append()) return option.append().value() ? How::Append : How::Overwrite;
  switch (option.append_action()) {
    case core::HeaderValueOption::ADD_IF_ABSENT:
      return How::AddIfAbsent;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS:
      return How::OverwriteIfPresent;
    case core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
      return How::Overwrite;
    default:
      return How::Append;
  }
}

// nullopt: one of them cannot be taken.
std::optional<std::vector<AuthzChange>> changes_of(const RepeatedPtrField<core::HeaderValueOption>& from, For whom) {
  std::vector<AuthzChange> out;
  for (const auto& option : from) {
    if (whom == For::Refusal && option.append().value()) continue;
    AuthzChange change{base::to_lower(option.header().key()),
                       option.header().raw_value().empty() ? option.header().value() : option.header().raw_value(),
                       how_of(option, whom)};
    if (!well_formed(change.name, change.value)) return std::nullopt;
    out.push_back(std::move(change));
  }
  return out;
}

// Pseudo-headers that a service may change; false: another one.
bool set_pseudo(http::RequestHead& request, const AuthzChange& change) {
  if (change.name == ":path")
    request.path = change.value;
  else if (change.name == ":authority" || change.name == "host")
    request.authority = change.value;
  else if (change.name == ":method")
    request.method = change.value;
  else
    return false;
  return true;
}

// As Envoy: what is left stands in the order of its names.
void change_query(http::RequestHead& request, const v3::OkHttpResponse& ok) {
  if (ok.query_parameters_to_set().empty() && ok.query_parameters_to_remove().empty()) return;
  std::map<std::string, std::vector<std::string>> pairs;
  if (!request.query().empty())
    for (std::string_view pair : base::split(request.query(), '&'))
      pairs[http::percent_decode(pair.substr(0, pair.find('='))).value_or("")].emplace_back(pair);
  for (const auto& set : ok.query_parameters_to_set())
    pairs[set.key()] = {http::percent_encode(set.key()) + "=" + http::percent_encode(set.value())};
  for (const std::string& name : ok.query_parameters_to_remove()) pairs.erase(name);
  std::string path(request.path_only());
  char before = '?';
  for (const auto& [name, of_name] : pairs)
    for (const std::string& pair : of_name) path += std::exchange(before, '&') + pair;
  request.path = std::move(path);
}

}  // namespace

void AuthzFilter::ask_grpc(Stream& stream, const AuthzService& service, std::string_view body, bool partial) const {
  State& state = stream.state<State>(*this);
  const http::RequestHead& request = stream.request;
  v3::CheckRequest check;
  auto& attributes = *check.mutable_attributes();
  config_.facts.describe(stream.origin(), attributes);
  auto since =
      std::chrono::duration_cast<std::chrono::microseconds>(stream.worker().wall_clock().time_since_epoch()).count();
  *attributes.mutable_request()->mutable_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(since);
  auto& http = *attributes.mutable_request()->mutable_http();
  http.set_id(std::to_string(stream.worker().dice().next()));
  http.set_method(request.method);
  http.set_path(base::to_utf8(request.path));
  http.set_host(base::to_utf8(request.authority));
  http.set_scheme(request.scheme);
  http.set_protocol(std::string(telemetry::name(stream.record.protocol)));
  if (state.shown) http.set_size(static_cast<int64_t>(state.body_came));
  auto& headers = *http.mutable_headers();
  auto put = [&](const std::string& name, std::string_view value) {
    if (!carries(service, name)) return;
    auto [it, fresh] = headers.insert({name, base::to_utf8(value)});
    if (!fresh) it->second.append(",").append(base::to_utf8(value));
  };
  put(":method", request.method);
  put(":path", request.path);
  put(":authority", request.authority);
  put(":scheme", request.scheme);
  for (auto field : request.headers) put(std::string(field.name), field.value);
  if (state.shown) {
    headers["x-envoy-auth-partial-body"] = partial ? "true" : "false";
    if (state.body.as_bytes)
      http.set_raw_body(std::string(body));
    else
      http.set_body(base::to_utf8(body));
  }
  for (const auto& [key, value] : state.extensions) (*attributes.mutable_context_extensions())[key] = value;
  for (const std::string& space : config_.metadata_spaces)
    add_space(stream.metadata, space, *attributes.mutable_metadata_context());
  attributes.mutable_route_metadata_context();
  state.call->call(service.target, service.authority, "/envoy.service.auth.v3.Authorization/Check",
                   check.SerializeAsString(), service.to_add,
                   [this, &stream](SideAnswer& answer) { on_grpc(stream, answer); });
}

void AuthzFilter::on_grpc(Stream& stream, SideAnswer& answer) const {
  v3::CheckResponse response;
  if (answer.grpc_status != 0 || !response.ParseFromString(answer.body) || response.has_error_response())
    return fail(stream);
  State& state = stream.state<State>(*this);
  auto take_metadata = [&](const google::protobuf::Struct& from) {
    if (from.fields().empty()) return;
    stream.metadata.merge("envoy.filters.http.ext_authz", json_of(from));
    if (response.status().code() == 0) note_duration(stream);
  };
  take_metadata(response.dynamic_metadata());
  if (response.status().code() != 0) {
    const auto& denied = response.denied_response();
    Reply reply{
        .status = denied.has_status() && denied.status().code() ? static_cast<int>(denied.status().code()) : 403,
        .body = denied.body()};
    auto changes = changes_of(denied.headers(), For::Refusal);
    if (!changes || reply.status < 200 || reply.status > 599) return fail(stream);
    for (const AuthzChange& change : *changes) change.apply(reply.headers);
    reply.headers.remove("content-length");
    return refuse(stream, std::move(reply));
  }
  if (response.has_denied_response()) return fail(stream);  // it contradicts itself
  const auto& ok = response.ok_response();
  auto to_request = changes_of(ok.headers(), For::Request),
       to_client = changes_of(ok.response_headers_to_add(), For::Response);
  if (!to_request || !to_client) return fail(stream);
  bool changed = false;
  for (const std::string& removed : ok.headers_to_remove()) {
    std::string name = base::to_lower(removed);
    if (name.starts_with(':') || name == "host") continue;
    changed |= stream.request.headers.remove(name);
  }
  for (const AuthzChange& change : *to_request) {
    if (change.name.starts_with(':') || change.name == "host") {
      if (!set_pseudo(stream.request, change)) return fail(stream);
    } else {
      change.apply(stream.request.headers);
    }
    changed = true;
  }
  change_query(stream.request, ok);
  take_metadata(ok.dynamic_metadata());
  state.to_client = std::move(*to_client);
  allow(stream, changed);
}

}  // namespace proxy
