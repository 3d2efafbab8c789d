// SPDX-License-Identifier: Apache-2.0
#include "cli/control_plane.h"

namespace cli {

using base::ErrorKind;

// A token of the control plane's own account, for its debug pages.
static net::Task<base::Result<std::string>> debug_token(kube::Client& client, const objects::Object& pod) {
  kube::Resource accounts{"", "v1", "serviceaccounts"};
  std::string path = kube::path_of(accounts, std::string(pod.ns()),
                                   std::string(base::text(pod.spec(), "serviceAccountName")), "token");
  base::Json order = {{"apiVersion", "authentication.k8s.io/v1"},
                      {"kind", "TokenRequest"},
                      {"spec", {{"audiences", {"istio-ca"}}, {"expirationSeconds", 600}}}};
  std::string body = order.dump();
  auto response = co_await client.request("POST", std::move(path), std::move(body));
  if (!response) co_return std::unexpected(response.error());
  if (response->status >= 300) co_return std::unexpected(kube::refusal(response->status, response->body));
  auto issued = base::parse_json(response->body);
  if (!issued) co_return std::unexpected(issued.error());
  co_return std::string(base::text(*issued, "status", "token"));
}

// From this machine's cluster the page is asked over the pod's loopback, which
// is let in; a large cluster's API server comes from outside, with a token.
static net::Task<base::Result<http::Response>> ask_pod(kube::Client& client, const objects::Object& pod,
                                                       std::string target) {
  auto response = co_await client.request("GET", target);
  if (!response || response->status != 401 || !response->body.starts_with("istiod:")) co_return response;
  auto token = co_await debug_token(client, pod);
  if (!token) co_return std::unexpected(token.error());
  http::Request again;
  again.method = "GET";
  again.path = std::move(target);
  again.headers.add("x-istiod-authorization", "Bearer " + *token);
  auto second = co_await client.send(std::move(again));
  co_return second;
}

net::Task<base::Result<std::vector<PodAnswer>>> ask_control_plane(kube::Client& client, std::string istio_ns,
                                                                  std::string path) {
  kube::Resource pods{"", "v1", "pods"};
  kube::ListOptions options{.label_selector = "app=istiod", .field_selector = "status.phase=Running"};
  auto list = co_await client.list(pods, istio_ns, options);
  if (!list) co_return std::unexpected(list.error());
  if (list->items.empty())
    co_return base::fail(ErrorKind::NotFound, "no istiod runs in namespace " + istio_ns +
                                                  ": istioctl install, or name it with --istioNamespace");
  std::vector<PodAnswer> answers;
  for (const objects::Object& pod : list->items) {
    std::string target = kube::path_of(pods, istio_ns, std::string(pod.name()) + ":15014", "proxy") + path;
    auto response = co_await ask_pod(client, pod, std::move(target));
    if (!response) co_return std::unexpected(response.error());
    if (response->status != 200) co_return std::unexpected(kube::refusal(response->status, response->body));
    auto body = base::parse_json(response->body);
    if (!body) co_return std::unexpected(body.error());
    answers.push_back({std::string(pod.name()), std::move(*body)});
  }
  co_return answers;
}

static base::Result<base::Json> json_of(const base::Result<http::Response>& response) {
  if (!response) return std::unexpected(response.error());
  if (response->status != 200) return std::unexpected(kube::refusal(response->status, response->body));
  return base::parse_json(response->body);
}

net::Task<base::Result<base::Json>> ask_proxy(kube::Client& client, std::string proxy, std::string path) {
  kube::Resource pods{"", "v1", "pods"};
  size_t dot = proxy.rfind('.');
  std::string target = kube::path_of(pods, proxy.substr(dot + 1), proxy.substr(0, dot) + ":15000", "proxy") + path;
  auto response = co_await client.request("GET", std::move(target));
  co_return json_of(response);
}

net::Task<base::Result<base::Json>> sent_to_proxy(kube::Client& client, std::string istio_ns, std::string istiod,
                                                  std::string proxy) {
  kube::Resource pods{"", "v1", "pods"};
  auto pod = co_await client.get(pods, istio_ns, istiod);
  if (!pod) co_return std::unexpected(pod.error());
  std::string target = kube::path_of(pods, istio_ns, istiod + ":15014", "proxy") +
                       "/debug/config_dump?proxyID=" + http::percent_encode(proxy);
  auto response = co_await ask_pod(client, *pod, std::move(target));
  co_return json_of(response);
}

net::Task<base::Result<Versions>> control_plane_versions(kube::Client& client, std::string istio_ns) {
  auto answers = co_await ask_control_plane(client, istio_ns, "/debug/syncz");
  if (!answers) co_return std::unexpected(answers.error());
  auto version = co_await ask_control_plane(client, istio_ns, "/version");
  if (!version) co_return std::unexpected(version.error());
  Versions out;
  for (const PodAnswer& answer : *version) out.control_plane = base::text(answer.body, "version");
  for (const PodAnswer& answer : *answers)
    for (const base::Json& proxy : answer.body) {
      std::string_view running = base::text(proxy, "istio_version");
      out.proxies.push_back({.id = std::string(base::text(proxy, "proxy")),
                             .version = running.empty() ? "unknown" : std::string(running)});
    }
  co_return out;
}

}  // namespace cli
