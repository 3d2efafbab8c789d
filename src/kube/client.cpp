// SPDX-License-Identifier: Apache-2.0
#include "kube/client.h"

#include <fstream>
#include <sstream>

#include "base/strings.h"

namespace kube {

using base::ErrorKind;

Resource resource_of(const objects::Kind& kind) {
  std::string plural = base::to_lower(kind.kind);
  if (plural.ends_with("endpoints")) {
  } else if (plural.ends_with("s") || plural.ends_with("x") || plural.ends_with("ch")) {
    plural += "es";
  } else if (plural.ends_with("y") && !plural.ends_with("ay") && !plural.ends_with("ey")) {
    plural.replace(plural.size() - 1, 1, "ies");
  } else {
    plural += "s";
  }
  return {kind.group, kind.version, plural};
}

bool cluster_scoped(const objects::Kind& kind) {
  constexpr std::string_view kKinds[] = {"Namespace",
                                         "Node",
                                         "PersistentVolume",
                                         "ClusterRole",
                                         "ClusterRoleBinding",
                                         "CustomResourceDefinition",
                                         "MutatingWebhookConfiguration",
                                         "ValidatingWebhookConfiguration",
                                         "PriorityClass",
                                         "StorageClass",
                                         "GatewayClass",
                                         "IngressClass",
                                         "TokenReview",
                                         "SubjectAccessReview",
                                         "SelfSubjectAccessReview"};
  return std::find(std::begin(kKinds), std::end(kKinds), kind.kind) != std::end(kKinds);
}

std::string path_of(const Resource& resource, std::string_view ns, std::string_view name,
                    std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + resource.group + "/";
  path += resource.version;
  if (!ns.empty()) path.append("/namespaces/").append(ns);
  path += "/" + resource.plural;
  if (!name.empty()) path.append("/").append(name);
  if (!subresource.empty()) path.append("/").append(subresource);
  return path;
}

base::Error refusal(int status, std::string_view body) {
  base::Error error;
  if (auto parsed = base::parse_json(body)) error.message = base::text(*parsed, "message");
  if (error.message.empty())
    error.message =
        "the API server answered " + std::to_string(status) + " " + std::string(http::reason_phrase(status));
  switch (status) {
    case 404:
      error.kind = ErrorKind::NotFound;
      break;
    case 409:
      error.kind = ErrorKind::Conflict;
      break;
    case 401:
    case 403:
      error.kind = ErrorKind::Denied;
      break;
    case 410:
    case 429:
      error.kind = ErrorKind::Exhausted;
      break;
    default:
      error.kind = status >= 500 ? ErrorKind::Unavailable : ErrorKind::Invalid;
  }
  error.side = base::Side::Upstream;
  error.retryable = status == 429 || status >= 500;
  return error;
}

base::Result<std::unique_ptr<Client>> Client::make(net::Loop& loop, Access access) {
  std::unique_ptr<Client> client(new Client(loop, std::move(access)));
  const Access& to = client->access_;
  http::ClientOptions options{.host = to.host, .port = to.port, .server_name = to.server_name};
  if (to.tls) {
    net::TlsSettings tls{.certificate_chain = to.certificate,
                         .private_key = to.key,
                         .trusted_roots = to.roots,
                         .verify_peer = !to.insecure,
                         .alpn = {"http/1.1"}};
    options.tls = TRY(net::TlsContext::client(tls));
  }
  client->http_ = std::make_unique<http::Client>(loop, std::move(options));
  return client;
}

void Client::authorize(http::Headers& headers) const {
  std::string token = access_.token;
  if (!access_.token_file.empty()) {
    std::ostringstream text;
    text << std::ifstream(access_.token_file).rdbuf();
    token = base::trim(text.str());
  }
  if (!token.empty()) headers.add("authorization", "Bearer " + token);
  headers.add("user-agent", "seine/" SEINE_VERSION);
  headers.add("accept", "application/json");
}

net::Task<base::Result<http::Response>> Client::request(std::string method, std::string path, std::string body,
                                                        std::string content_type) {
  http::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  if (!body.empty()) request.headers.add("content-type", content_type);
  request.body = std::move(body);
  auto response = co_await send(std::move(request));
  co_return response;
}

net::Task<base::Result<http::Response>> Client::send(http::Request request) {
  request.path = access_.path_prefix + request.path;
  authorize(request.headers);
  auto response = co_await http_->fetch(std::move(request));
  co_return response;
}

net::Task<base::Result<std::unique_ptr<http::ClientStream>>> Client::open(std::string path) {
  http::RequestHead head;
  head.path = access_.path_prefix + path;
  authorize(head.headers);
  auto stream = co_await http_->open(std::move(head));
  if (stream) (*stream)->finish();
  co_return stream;
}

net::Task<base::Result<Json>> Client::json(std::string method, std::string path, std::string body,
                                           std::string content_type) {
  auto response = co_await request(std::move(method), std::move(path), std::move(body), std::move(content_type));
  if (!response) co_return std::unexpected(response.error());
  if (response->status >= 300) co_return std::unexpected(refusal(response->status, response->body));
  co_return base::parse_json(response->body);
}

net::Task<base::Result<Object>> Client::object(std::string method, std::string path, Json body,
                                               std::string content_type) {
  std::string text;  // not by a conditional expression: GCC 12 copies its string bytewise into a coroutine's frame
  if (!body.is_null()) text = body.dump();
  auto answer = co_await json(std::move(method), std::move(path), std::move(text), std::move(content_type));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Object(std::move(*answer));
}

net::Task<base::Result<Object>> Client::get(Resource resource, std::string ns, std::string name) {
  return object("GET", path_of(resource, ns, name), Json(), "");
}

net::Task<base::Result<List>> Client::list(Resource resource, std::string ns, ListOptions options) {
  List list;
  std::string more;
  do {
    std::string path = path_of(resource, ns) + "?limit=500";
    if (!options.label_selector.empty()) path += "&labelSelector=" + http::percent_encode(options.label_selector);
    if (!options.field_selector.empty()) path += "&fieldSelector=" + http::percent_encode(options.field_selector);
    if (!more.empty()) path += "&continue=" + http::percent_encode(more);
    auto page = co_await json("GET", path, "", "");
    if (!page) co_return std::unexpected(page.error());
    // A real server leaves kind and apiVersion out of a list's items.
    std::string kind(base::text(*page, "kind"));
    if (kind.ends_with("List")) kind.resize(kind.size() - 4);
    std::string api_version(base::text(*page, "apiVersion"));
    if (auto items = page->find("items"); items != page->end() && items->is_array()) {
      for (Json& item : *items) {
        if (!item.contains("kind")) item["kind"] = kind;
        if (!item.contains("apiVersion")) item["apiVersion"] = api_version;
        list.items.emplace_back(std::move(item));
      }
    }
    list.resource_version = base::text(*page, "metadata", "resourceVersion");
    more = base::text(*page, "metadata", "continue");
  } while (!more.empty());
  co_return list;
}

net::Task<base::Result<Object>> Client::create(Resource resource, Object object) {
  std::string path = path_of(resource, object.ns());
  return this->object("POST", std::move(path), std::move(object.json()), "application/json");
}

net::Task<base::Result<Object>> Client::update(Resource resource, Object object) {
  std::string path = path_of(resource, object.ns(), object.name());
  return this->object("PUT", std::move(path), std::move(object.json()), "application/json");
}

net::Task<base::Result<Object>> Client::update_status(Resource resource, Object object) {
  std::string path = path_of(resource, object.ns(), object.name(), "status");
  return this->object("PUT", std::move(path), std::move(object.json()), "application/json");
}

net::Task<base::Result<Object>> Client::patch(Resource resource, std::string ns, std::string name, PatchType type,
                                              Json patch, std::string subresource) {
  constexpr const char* kTypes[] = {"application/json-patch+json", "application/merge-patch+json",
                                    "application/strategic-merge-patch+json", "application/apply-patch+yaml"};
  return object("PATCH", path_of(resource, ns, name, subresource), std::move(patch), kTypes[static_cast<int>(type)]);
}

net::Task<base::Result<Object>> Client::apply(Object object, std::string manager) {
  std::string path =
      path_of(resource_of(object.kind()), cluster_scoped(object.kind()) ? "" : object.ns(), object.name()) +
      "?fieldManager=" + http::percent_encode(manager) + "&force=true&fieldValidation=Strict";
  return this->object("PATCH", std::move(path), std::move(object.json()), "application/apply-patch+yaml");
}

net::Task<base::Result<void>> Client::remove(Resource resource, std::string ns, std::string name) {
  auto answer =
      co_await json("DELETE", path_of(resource, ns, name), R"({"propagationPolicy":"Background"})", "application/json");
  if (!answer) co_return std::unexpected(answer.error());
  co_return base::Result<void>();
}

}  // namespace kube
