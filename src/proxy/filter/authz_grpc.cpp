// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "base/strings.h"
#include "base/utf8.h"
#include "envoy/service/auth/v3/external_auth.pb.h"
#include "google/rpc/status.pb.h"
#include "http/syntax.h"
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

// nullopt: one of them cannot be taken.
std::optional<std::vector<AuthzChange>> changes_of(const RepeatedPtrField<core::HeaderValueOption>& from) {
  using How = AuthzChange::How;
  std::vector<AuthzChange> out;
  for (const auto& option : from) {
    AuthzChange change{base::to_lower(option.header().key()),
                       option.header().raw_value().empty() ? option.header().value() : option.header().raw_value()};
    if (!well_formed(change.name, change.value)) return std::nullopt;
    switch (option.append_action()) {
      case core::HeaderValueOption::ADD_IF_ABSENT:
        change.how = How::AddIfAbsent;
        break;
      case core::HeaderValueOption::OVERWRITE_IF_EXISTS:
        change.how = How::OverwriteIfPresent;
        break;
      case core::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
        change.how = How::Overwrite;
        break;
      default:
        change.how = option.append().value() ? How::Append : How::Overwrite;
        break;  // as Envoy: not appended unless it says so
    }
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

void change_query(http::RequestHead& request, const v3::OkHttpResponse& ok) {
  if (ok.query_parameters_to_set().empty() && ok.query_parameters_to_remove().empty()) return;
  std::string query;
  auto add = [&](std::string_view text) { query += (query.empty() ? "" : "&") + std::string(text); };
  if (!request.query().empty())
    for (std::string_view pair : base::split(request.query(), '&')) {
      std::string name = http::percent_decode(pair.substr(0, pair.find('='))).value_or("");
      bool gone = std::any_of(ok.query_parameters_to_remove().begin(), ok.query_parameters_to_remove().end(),
                              [&](const std::string& other) { return other == name; }) ||
                  std::any_of(ok.query_parameters_to_set().begin(), ok.query_parameters_to_set().end(),
                              [&](const auto& set) { return set.key() == name; });
      if (!gone) add(pair);
    }
  for (const auto& set : ok.query_parameters_to_set())
    add(http::percent_encode(set.key()) + "=" + http::percent_encode(set.value()));
  std::string path(request.path_only());
  request.path = query.empty() ? path : path + "?" + query;
}

}  // namespace

void AuthzFilter::ask_grpc(Stream& stream, const AuthzService& service, std::string_view body, bool partial) const {
  State& state = stream.state<State>(*this);
  const http::RequestHead& request = stream.request;
  v3::CheckRequest check;
  auto& attributes = *check.mutable_attributes();
  config_.facts.describe(stream.worker(), stream.origin(), attributes);
  auto since =
      std::chrono::duration_cast<std::chrono::microseconds>(stream.worker().wall_clock().time_since_epoch()).count();
  *attributes.mutable_request()->mutable_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(since);
  auto& http = *attributes.mutable_request()->mutable_http();
  http.set_id(base::to_utf8(request.headers.get("x-request-id").value_or("")));
  http.set_method(request.method);
  http.set_path(base::to_utf8(request.path));
  http.set_host(base::to_utf8(request.authority));
  http.set_scheme(request.scheme);
  http.set_protocol(std::string(telemetry::name(stream.record.protocol)));
  http.set_size(base::parse_number<int64_t>(request.headers.get("content-length").value_or("")).value_or(-1));
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
    if (!from.fields().empty()) stream.metadata.merge("envoy.filters.http.ext_authz", json_of(from));
  };
  take_metadata(response.dynamic_metadata());
  if (response.status().code() != 0) {
    const auto& denied = response.denied_response();
    Reply reply{
        .status = denied.has_status() && denied.status().code() ? static_cast<int>(denied.status().code()) : 403,
        .body = denied.body()};
    auto changes = changes_of(denied.headers());
    if (!changes || reply.status < 200 || reply.status > 599) return fail(stream);
    for (const AuthzChange& change : *changes) change.apply(reply.headers);
    reply.headers.remove("content-length");
    return refuse(stream, std::move(reply));
  }
  if (response.has_denied_response()) return fail(stream);  // it contradicts itself
  const auto& ok = response.ok_response();
  auto to_request = changes_of(ok.headers()), to_client = changes_of(ok.response_headers_to_add());
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
