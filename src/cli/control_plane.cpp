// SPDX-License-Identifier: Apache-2.0
#include "cli/control_plane.h"

namespace cli {

using base::ErrorKind;

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
    auto response = co_await client.request("GET", target);
    if (!response) co_return std::unexpected(response.error());
    if (response->status != 200) co_return std::unexpected(kube::refusal(response->status, response->body));
    auto body = base::parse_json(response->body);
    if (!body) co_return std::unexpected(body.error());
    answers.push_back({std::string(pod.name()), std::move(*body)});
  }
  co_return answers;
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
      ++out.proxies[running.empty() ? "unknown" : std::string(running)];
    }
  co_return out;
}

}  // namespace cli
