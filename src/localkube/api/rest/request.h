// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "localkube/api/registry.h"

namespace localkube {

// What the client wants the answer to look like.
enum class Shape { Object, Table, Metadata };

// One request on a resource, read as far as its URL and headers go.
struct RestRequest {
  std::shared_ptr<http::Exchange> exchange;
  User user;
  Target target;         // row, version, namespace, name, subresource
  bool by_name = false;  // of one object, not of the collection
  std::string query;
  Shape shape = Shape::Object;

  const std::string& method() const { return exchange->request().method; }
  std::string text(std::string_view parameter) const;  // empty where absent
  bool flag(std::string_view parameter) const;         // "true", "1", or present and empty
  Answer<std::optional<int64_t>> number(std::string_view parameter) const;
  Answer<std::optional<int64_t>> resource_version() const;
  // get, list, watch, create, update, patch, delete, deletecollection.
  std::string verb() const;
};

// The parts of a path under /api or /apis; empty group and "v1" for the core.
struct ApiPath {
  std::string group;
  std::string version;
  std::vector<std::string> rest;  // decoded: namespaces, NS, pods, NAME, log
};
std::optional<ApiPath> parse_api_path(std::string_view path);

// Fills target from the rest of a path; refuses what is no resource.
Answer<void> resolve(const Catalog& catalog, const ApiPath& path, RestRequest& request);

// The first form of Accept that can be served, or nullopt: 406.
std::optional<Shape> accepted_shape(const http::RequestHead& head);

// Refuses options of a read that could not be meant as they are written.
Answer<void> check_read_options(const RestRequest& request);

// The options that come in the query of a write.
Answer<CallPointer> call_of(const RestRequest& request, std::string_view options_kind);

// The body as one document: JSON, YAML or Kubernetes' protobuf, told by Content-Type.
net::Task<Answer<Json>> read_document(std::shared_ptr<http::Exchange> exchange, KindPointer row, std::string version,
                                      CallPointer call);
net::Task<Answer<std::string>> read_body(std::shared_ptr<http::Exchange> exchange);

}  // namespace localkube
