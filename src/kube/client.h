// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "http/client.h"
#include "kube/access.h"
#include "objects/object.h"

namespace kube {

using objects::Json;
using objects::Object;
using objects::Resource;

// The table a kind lies in: {"apps","v1","Deployment"} -> {"apps","v1","deployments"}.
Resource resource_of(const objects::Kind& kind);
bool cluster_scoped(const objects::Kind& kind);

// "/apis/apps/v1/namespaces/NS/deployments/NAME/SUBRESOURCE"; empty parts are left out.
std::string path_of(const Resource& resource, std::string_view ns, std::string_view name = {},
                    std::string_view subresource = {});

enum class PatchType { Json, Merge, Strategic, Apply };

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
};
struct List {
  std::vector<Object> items;
  std::string resource_version;
};

// A Kubernetes API server, for code that waits. Refusals are errors whose
// message is the server's own: NotFound (404), Conflict (409), Denied (401,
// 403), Invalid (400, 422), Exhausted (410 Gone, 429), Unavailable (5xx).
// Lives on one loop; must outlive its calls.
class Client {
 public:
  static base::Result<std::unique_ptr<Client>> make(net::Loop& loop, Access access);

  net::Task<base::Result<Object>> get(Resource resource, std::string ns, std::string name);
  net::Task<base::Result<List>> list(Resource resource, std::string ns = {}, ListOptions options = {});
  net::Task<base::Result<Object>> create(Resource resource, Object object);
  net::Task<base::Result<Object>> update(Resource resource, Object object);
  net::Task<base::Result<Object>> update_status(Resource resource, Object object);
  net::Task<base::Result<Object>> patch(Resource resource, std::string ns, std::string name, PatchType type, Json patch,
                                        std::string subresource = {});
  // Server-side apply, by force, in the name of `manager`: creates what is not there.
  net::Task<base::Result<Object>> apply(Object object, std::string manager);
  net::Task<base::Result<void>> remove(Resource resource, std::string ns, std::string name);

  // Anything else, e.g. a pod's proxy subresource. Not judged by status.
  net::Task<base::Result<http::Response>> request(std::string method, std::string path, std::string body = {},
                                                  std::string content_type = "application/json");
  // One with headers of its own; its path is the API's, as above.
  net::Task<base::Result<http::Response>> send(http::Request request);
  // A streamed GET (watch, log): status is judged when the head comes.
  net::Task<base::Result<std::unique_ptr<http::ClientStream>>> open(std::string path);

  const Access& access() const { return access_; }
  net::Loop& loop() const { return loop_; }

 private:
  Client(net::Loop& loop, Access access) : loop_(loop), access_(std::move(access)) {}
  net::Task<base::Result<Json>> json(std::string method, std::string path, std::string body, std::string content_type);
  net::Task<base::Result<Object>> object(std::string method, std::string path, Json body, std::string content_type);
  void authorize(http::Headers& headers) const;

  net::Loop& loop_;
  Access access_;
  std::unique_ptr<http::Client> http_;
};

// The error of a refusal: `body` is metav1.Status where the server sent one.
base::Error refusal(int status, std::string_view body);

}  // namespace kube
