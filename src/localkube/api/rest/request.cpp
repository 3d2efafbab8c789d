// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/request.h"

#include <set>

#include "base/json.h"
#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "objects/schema.h"

namespace localkube {

namespace {

constexpr size_t kMostBody = 3u << 20;
constexpr size_t kMostYaml = 128u << 10;  // which everybody waits for while it is parsed
constexpr size_t kLongestManager = 128;
constexpr std::string_view kMediaTypes = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

std::string_view media_type(const http::RequestHead& head) {
  std::string_view type = head.headers.get("content-type").value_or("application/json");
  return base::trim(type.substr(0, type.find(';')));
}

std::string parse_complaint(const std::string& error, std::string_view body, const std::string& kind) {
  bool cut_off = body.empty() || error.find("unexpected end of input") != error.npos;
  std::string what = cut_off ? "unexpected end of JSON input" : error;
  what += body.empty() ? " (<empty>)" : " (" + std::string(body.substr(0, 256)) + ")";
  return "the object provided is unrecognized (must be of type " + kind +
         "): couldn't get version/kind; json parse error: " + what;
}

// "metadata.name" in "...: duplicate key metadata.name", as the parser says it.
Answer<Json> parse_strictly(std::string_view body, const KindRow& row, const std::string& version, Call& call) {
  auto strict = base::parse_json(body, base::Duplicates::Refuse);
  if (strict) return std::move(*strict);
  auto lenient = base::parse_json(body);
  if (!lenient) return std::unexpected(bad_request(parse_complaint(lenient.error().message, body, row.kind)));
  std::string message = strict.error().message;
  size_t from = message.find('"'), to = message.rfind('"');
  std::string field = from != message.npos && to > from ? message.substr(from + 1, to - from - 1) : message;
  if (call.validation == FieldValidation::Warn) call.warnings.push_back("duplicate field " + in_quotes(field));
  if (call.validation == FieldValidation::Strict)
    return std::unexpected(bad_request(row.kind + " in version " + in_quotes(version) + " cannot be handled as a " +
                                       row.kind + ": strict decoding error: duplicate field " + in_quotes(field)));
  return std::move(*lenient);
}

}  // namespace

std::string RestRequest::text(std::string_view parameter) const {
  return http::query_parameter(query, parameter).value_or("");
}

bool RestRequest::flag(std::string_view parameter) const {
  auto value = http::query_parameter(query, parameter);
  return value && (value->empty() || *value == "true" || *value == "1" || *value == "True" || *value == "t");
}

Answer<std::optional<int64_t>> RestRequest::number(std::string_view parameter) const {
  std::string value = text(parameter);
  if (value.empty()) return std::nullopt;
  auto number = base::parse_number<int64_t>(value);
  if (!number)
    return std::unexpected(bad_request("strconv.ParseInt: parsing " + in_quotes(value) + ": invalid syntax"));
  return number;
}

Answer<std::optional<int64_t>> RestRequest::resource_version() const {
  std::string asked = text("resourceVersion");
  if (asked.empty()) return std::nullopt;
  auto number = base::parse_number<int64_t>(asked);
  if (!number || *number < 0)
    return std::unexpected(bad_request("resourceVersion: Invalid value: " + in_quotes(asked) +
                                       ": strconv.ParseUint: parsing " + in_quotes(asked) + ": invalid syntax"));
  return number;
}

std::string RestRequest::verb() const {
  const std::string& m = method();
  if (m == "GET" || m == "HEAD") {
    if (!target.subresource.empty()) return "get";
    return flag("watch") ? "watch" : by_name ? "get" : "list";
  }
  if (m == "POST") return "create";
  if (m == "PUT") return "update";
  if (m == "PATCH") return "patch";
  if (m == "DELETE") return by_name ? "delete" : "deletecollection";
  return base::to_lower(m);
}

std::optional<ApiPath> parse_api_path(std::string_view path) {
  ApiPath parsed;
  std::vector<std::string> parts;
  for (std::string_view piece : base::split(path, '/'))
    if (!piece.empty()) {
      auto decoded = http::percent_decode(piece);
      if (!decoded) return std::nullopt;
      parts.push_back(std::move(*decoded));
    }
  size_t used = 0;
  if (parts.size() >= 2 && parts[0] == "api") {
    parsed.version = parts[1];
    used = 2;
  } else if (parts.size() >= 3 && parts[0] == "apis") {
    parsed.group = parts[1];
    parsed.version = parts[2];
    used = 3;
  } else {
    return std::nullopt;
  }
  parsed.rest.assign(parts.begin() + static_cast<ptrdiff_t>(used), parts.end());
  return parsed;
}

Answer<void> resolve(const Catalog& catalog, const ApiPath& path, RestRequest& request) {
  std::vector<std::string> rest = path.rest;
  if (rest.empty()) return std::unexpected(no_such_resource());
  if (rest[0] == "watch") {  // the old form of watches
    rest.erase(rest.begin());
    request.query += request.query.empty() ? "watch=true" : "&watch=true";
    if (rest.empty()) return std::unexpected(no_such_resource());
  }
  Target& target = request.target;
  target.version = path.version;
  size_t i = 0;
  // namespaces/NS/pods..., but not namespaces/NS and its own subresources
  if (rest[0] == "namespaces" && rest.size() >= 3 &&
      !(rest.size() == 3 && path.group.empty() && (rest[2] == "status" || rest[2] == "finalize"))) {
    target.ns = rest[1];
    i = 2;
  }
  target.row = catalog.find(path.group, path.version, rest[i]);
  if (!target.row) return std::unexpected(no_such_resource());
  if (!target.ns.empty() && !target.row->namespaced) return std::unexpected(no_such_resource());
  if (rest.size() > i + 1) {
    target.name = rest[i + 1];
    request.by_name = true;
  }
  if (rest.size() > i + 2) {
    std::vector<std::string> sub(rest.begin() + static_cast<ptrdiff_t>(i) + 2, rest.end());
    target.subresource = base::join(sub, "/");
  }
  if (request.by_name && target.row->namespaced && target.ns.empty()) return std::unexpected(no_such_resource());
  return {};
}

std::optional<Shape> accepted_shape(const http::RequestHead& head) {
  std::string accept = head.headers.joined("accept");
  if (base::trim(accept).empty()) return Shape::Object;
  for (std::string_view range : base::split(accept, ',')) {
    auto pieces = base::split(range, ';');
    std::string_view type = base::trim(pieces[0]);
    std::string_view as, group;
    for (size_t i = 1; i < pieces.size(); ++i) {
      auto pair = base::cut(base::trim(pieces[i]), '=');
      if (!pair) continue;
      if (pair->first == "as") as = pair->second;
      if (pair->first == "g") group = pair->second;
    }
    if (type != "application/json" && type != "*/*" && type != "application/*" && type != "application/yaml") continue;
    if (as.empty()) return Shape::Object;
    if (group != "meta.k8s.io") continue;
    if (as == "Table") return Shape::Table;
    if (as == "PartialObjectMetadata" || as == "PartialObjectMetadataList") return Shape::Metadata;
  }
  return std::nullopt;
}

// As a kube-apiserver's, but for `watch` and for dryRun, of which it takes any value.
Answer<void> check_read_options(const RestRequest& request) {
  static const std::set<std::string, std::less<>> flags = {"", "true", "True", "t", "1", "0", "false", "False", "f"};
  if (std::string watch = request.text("watch"); !flags.contains(watch))
    return std::unexpected(bad_request("strconv.ParseBool: parsing " + in_quotes(watch) + ": invalid syntax"));
  for (const std::string& value : http::query_parameters(request.query, "dryRun"))
    if (value != "All") return std::unexpected(bad_request("dryRun: Unsupported value: " + in_quotes(value)));
  std::string match = request.text("resourceVersionMatch"), version = request.text("resourceVersion");
  if (match.empty() || request.by_name || !request.text("sendInitialEvents").empty()) return {};
  Problems problems;
  if (request.flag("watch"))
    problems.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch");
  else if (version.empty())
    problems.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
  else if (!request.text("continue").empty())
    problems.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
  else if (match != "Exact" && match != "NotOlderThan")
    problems.not_supported("resourceVersionMatch", in_quotes(match), {"Exact", "NotOlderThan", ""});
  else if (match == "Exact" && version == "0")
    problems.forbidden("resourceVersionMatch", "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  if (!problems.empty()) return std::unexpected(invalid({"meta.k8s.io", "v1", "ListOptions"}, "", problems));
  return {};
}

Answer<CallPointer> call_of(const RestRequest& request, std::string_view options_kind) {
  auto call = std::make_shared<Call>();
  call->user = request.user;
  for (const std::string& value : http::query_parameters(request.query, "dryRun")) {
    if (value != "All") {
      Problems problems;
      problems.not_supported("dryRun", "[]string{" + in_quotes(value) + "}", {"All"});
      return std::unexpected(invalid({"meta.k8s.io", "v1", std::string(options_kind)}, "", problems));
    }
    call->dry_run = true;
  }
  call->field_manager = request.text("fieldManager");
  Problems problems;
  if (call->field_manager.size() > kLongestManager)
    problems.too_long("fieldManager", "may not be more than " + std::to_string(kLongestManager) + " bytes");
  call->force = request.flag("force");
  std::string validation = request.text("fieldValidation");
  if (validation == "Strict") call->validation = FieldValidation::Strict;
  if (validation == "Ignore") call->validation = FieldValidation::Ignore;
  if (!validation.empty() && validation != "Strict" && validation != "Ignore" && validation != "Warn")
    problems.not_supported("fieldValidation", in_quotes(validation), {"Ignore", "Strict", "Warn"});
  if (!problems.empty())
    return std::unexpected(invalid({"meta.k8s.io", "v1", std::string(options_kind)}, "", problems));
  return call;
}

net::Task<Answer<std::string>> read_body(std::shared_ptr<http::Exchange> exchange) {
  std::string coding = base::to_lower(exchange->request().headers.joined("content-encoding"));
  if (!coding.empty() && coding != "identity")
    co_return std::unexpected(Refusal{
        415, "UnsupportedMediaType",
        "the body of the request was in content encoding " + in_quotes(coding) + ", which this server does not read",
        Json::object()});
  auto body = co_await exchange->read_all(kMostBody);
  if (body) co_return std::move(*body);
  if (body.error().kind == base::ErrorKind::Exhausted)
    co_return std::unexpected(Refusal{413, "RequestEntityTooLarge", "limit is " + std::to_string(kMostBody), {}});
  co_return std::unexpected(bad_request("reading the body: " + body.error().message));
}

net::Task<Answer<Json>> read_document(std::shared_ptr<http::Exchange> exchange, KindPointer row, std::string version,
                                      CallPointer call) {
  auto body = co_await read_body(exchange);
  if (!body) co_return std::unexpected(std::move(body.error()));
  std::string_view type = media_type(exchange->request());
  if (type == "application/vnd.kubernetes.protobuf") {
    auto document = objects::json_of_protobuf(*body);
    if (!document) co_return std::unexpected(bad_request("reading the protobuf body: " + document.error().message));
    co_return std::move(*document);
  }
  if (type == "application/yaml" || type == "application/apply-patch+yaml") {
    // JSON is YAML, and what most clients send here; its parser is a hundred times as fast.
    if (auto json = base::parse_json(*body)) co_return std::move(*json);
    if (body->size() > kMostYaml)
      co_return std::unexpected(Refusal{413,
                                        "RequestEntityTooLarge",
                                        "limit of YAML is " + std::to_string(kMostYaml) + " bytes: send it as JSON",
                                        {}});
    auto documents = base::parse_yaml(*body);
    if (!documents)
      co_return std::unexpected(bad_request(parse_complaint(documents.error().message, *body, row->kind)));
    if (documents->empty()) co_return std::unexpected(bad_request(parse_complaint("", "", row->kind)));
    co_return std::move(documents->front());
  }
  if (type == "application/json") co_return parse_strictly(*body, *row, version, *call);
  if (type == "application/json-patch+json" || type == "application/merge-patch+json" ||
      type == "application/strategic-merge-patch+json") {
    auto patch = base::parse_json(*body);
    if (!patch) co_return std::unexpected(bad_request("error decoding patch: " + patch.error().message));
    co_return std::move(*patch);
  }
  co_return std::unexpected(unsupported_media_type(kMediaTypes));
}

}  // namespace localkube
