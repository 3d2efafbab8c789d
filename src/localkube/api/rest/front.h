// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "http/server.h"
#include "localkube/api/auth/rbac.h"
#include "localkube/api/auth/tokens.h"
#include "localkube/api/registry.h"
#include "localkube/api/rest/metrics.h"
#include "localkube/api/rest/request.h"
#include "net/loop.h"

namespace localkube {

// What the handlers of requests work with.
struct Services {
  net::Loop& loop;
  Registry& registry;
  Tokens& tokens;
  Rbac& rbac;
  size_t watch_bytes;  // that may wait for the client of one watch
  PodStreams* streams = nullptr;
};

// The HTTP face: who asks (client certificate or token), what the URL means,
// and the answer in the API's forms. One handler for all connections.
//
// Everybody sees /version and the health paths; for the rest, Rbac decides.
class Front {
 public:
  Front(net::Loop& loop, Registry& registry, Tokens& tokens, Rbac& rbac, size_t watch_bytes)
      : services_{loop, registry, tokens, rbac, watch_bytes, nullptr} {}

  void set_pod_streams(PodStreams& streams) { services_.streams = &streams; }
  net::Task<void> handle(std::shared_ptr<http::Exchange> exchange);

 private:
  Answer<User> authenticate(const http::Exchange& exchange) const;
  Answer<User> impersonated(const http::RequestHead& head, User user) const;
  bool serve_about_itself(http::Exchange& exchange, const std::string& path);
  net::Task<void> serve_resource(RestRequest request);

  Services services_;
  Metrics metrics_;
};

// Each answers the request itself.
void serve_get(Services& services, RestRequest request);
void serve_list(Services& services, RestRequest request);
net::Task<void> serve_watch(Services& services, RestRequest request);
net::Task<void> serve_create(Services& services, RestRequest request);
net::Task<void> serve_update(Services& services, RestRequest request);
net::Task<void> serve_patch(Services& services, RestRequest request);
net::Task<void> serve_delete(Services& services, RestRequest request);
net::Task<void> serve_delete_collection(Services& services, RestRequest request);

// Subresources that are no plain view of the object: binding, eviction, log,
// exec, attach, portforward, token, scale. False: not one of these.
bool is_special_subresource(const RestRequest& request);
net::Task<void> serve_subresource(Services& services, RestRequest request);
// What a pod serves, asked by way of the API server: pods/NAME:PORT/proxy/PATH
// and services/NAME:PORT/proxy/PATH, in clear text.
struct ProxyName {
  std::string scheme, name, port;  // "http:web:80"; without a scheme or a port: ""
};
ProxyName proxy_name(std::string_view text);
bool is_proxy(const ApiPath& path);
net::Task<void> serve_proxy(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path);
net::Task<void> serve_log(Services& services, RestRequest request);
net::Task<void> serve_exec(Services& services, RestRequest request);
net::Task<void> serve_port_forward(Services& services, RestRequest request);

// Kinds that are asked and not kept: TokenReview, SubjectAccessReview, ...
bool is_review(const ApiPath& path);
net::Task<void> serve_review(Services& services, std::shared_ptr<http::Exchange> exchange, ApiPath path, User user);

// /api, /apis, /apis/G, /api/v1, /apis/G/V, /openapi/v3...; false: none of these.
bool serve_discovery(const Catalog& catalog, http::Exchange& exchange);
bool serve_openapi(const Catalog& catalog, http::Exchange& exchange);

// An object or list of objects in the shape that was asked for.
void respond_object(RestRequest& request, int status, const objects::Object& object,
                    const std::vector<std::string>& warnings = {});

}  // namespace localkube
