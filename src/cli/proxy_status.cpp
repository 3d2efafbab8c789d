// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/cluster.h"
#include "cli/config_difference.h"
#include "cli/control_plane.h"
#include "cli/table.h"

namespace cli {

// As istioctl 1.17 words it: what was sent last against what was acknowledged.
static std::string sync(const base::Json& proxy, const std::string& type) {
  std::string_view sent = base::text(proxy, type + "_sent");
  std::string_view acked = base::text(proxy, type + "_acked");
  if (sent.empty()) return "NOT SENT";
  if (sent == acked) return "SYNCED";
  return acked.empty() ? "STALE (Never Acknowledged)" : "STALE";
}

struct Found {
  std::string proxy;  // POD.NAMESPACE
  std::string istiod;
};

// By POD.NAMESPACE, or by POD: in the namespace asked for, else wherever there is but one.
static std::optional<Found> find_proxy(const std::vector<PodAnswer>& answers, const std::string& only,
                                       const std::string& ns) {
  std::vector<Found> near;
  for (const PodAnswer& answer : answers)
    for (const base::Json& proxy : answer.body) {
      std::string name(base::text(proxy, "proxy"));
      if (name == only || name == only + "." + ns) return Found{name, answer.pod};
      if (name.starts_with(only + ".")) near.push_back({name, answer.pod});
    }
  if (near.size() != 1) return std::nullopt;
  return near.front();
}

// "deploy/NAME[.NAMESPACE]" and "pod/NAME[.NAMESPACE]" as "POD.NAMESPACE"; anything else as it is.
static net::Task<base::Result<std::string>> proxy_of(kube::Client& client, std::string asked, std::string ns) {
  size_t slash = asked.find('/');
  if (slash == std::string::npos) co_return asked;
  std::string kind = asked.substr(0, slash), name = asked.substr(slash + 1);
  if (size_t dot = name.find('.'); dot != std::string::npos) {
    ns = name.substr(dot + 1);
    name.resize(dot);
  }
  if (kind == "pod" || kind == "pods" || kind == "po") co_return name + "." + ns;
  if (kind != "deployment" && kind != "deployments" && kind != "deploy")
    co_return base::fail(base::ErrorKind::Invalid, asked + ": name a pod, pod/NAME or deployment/NAME");
  kube::Resource deployments{"apps", "v1", "deployments"}, all_pods{"", "v1", "pods"};
  auto deployment = co_await client.get(deployments, ns, name);
  if (!deployment) co_return std::unexpected(deployment.error());
  kube::ListOptions options;
  if (const base::Json* labels = base::find(deployment->spec(), "selector", "matchLabels"))
    for (const auto& [key, value] : labels->items())
      options.label_selector += (options.label_selector.empty() ? "" : ",") + key + "=" + value.get<std::string>();
  auto pods = co_await client.list(all_pods, ns, std::move(options));
  if (!pods) co_return std::unexpected(pods.error());
  if (pods->items.empty()) co_return base::fail(base::ErrorKind::NotFound, asked + " has no pod");
  co_return std::string(pods->items.front().name()) + "." + ns;
}

[[noreturn]] static void not_connected(const std::string& only) {
  give_up({.kind = base::ErrorKind::NotFound,
           .message = "no proxy \"" + only + "\" is connected; istioctl proxy-status lists those that are"});
}

// How what istiod sent one proxy differs from what it has.
static void print_difference(const RootFlags& flags, const std::string& asked) {
  Cluster cluster(flags);
  const std::string ns = flags.ns.empty() ? cluster.client->access().ns : flags.ns;
  const std::string only = must(cluster.wait(proxy_of(*cluster.client, asked, ns)));
  auto answers = must(cluster.wait(ask_control_plane(*cluster.client, flags.istio_ns, "/debug/syncz")));
  auto found = find_proxy(answers, only, ns);
  if (!found) not_connected(only);
  auto sent = must(cluster.wait(sent_to_proxy(*cluster.client, flags.istio_ns, found->istiod, found->proxy)));
  auto has = must(cluster.wait(ask_proxy(*cluster.client, found->proxy, "/config_dump")));
  std::printf("%s", config_difference(sent, has).c_str());
}

base::Json chosen_proxies(const std::vector<PodAnswer>& answers, const std::string& only) {
  base::Json out = base::Json::array();
  for (const PodAnswer& answer : answers)
    for (const base::Json& proxy : answer.body)
      if (only.empty() || base::text(proxy, "proxy") == only) out.push_back(proxy);
  return out;
}

// In JSON or YAML: of all proxies, or of the one that is asked for.
static void print_documents(const RootFlags& flags, const std::string& output, const std::string& asked) {
  Cluster cluster(flags);
  const std::string ns = flags.ns.empty() ? cluster.client->access().ns : flags.ns;
  std::string only;
  if (!asked.empty()) only = must(cluster.wait(proxy_of(*cluster.client, asked, ns)));
  auto answers = must(cluster.wait(ask_control_plane(*cluster.client, flags.istio_ns, "/debug/syncz")));
  if (!only.empty()) {
    auto found = find_proxy(answers, only, ns);
    if (!found) not_connected(only);
    only = found->proxy;
  }
  base::Json all = chosen_proxies(answers, only);
  std::printf("%s\n", output == "yaml" ? base::to_yaml(all).c_str() : all.dump(2).c_str());
}

static void print_status(const RootFlags& flags) {
  Cluster cluster(flags);
  auto answers = must(cluster.wait(ask_control_plane(*cluster.client, flags.istio_ns, "/debug/syncz")));
  std::vector<std::vector<std::string>> rows;
  for (const PodAnswer& answer : answers)
    for (const base::Json& proxy : answer.body) {
      std::string name(base::text(proxy, "proxy"));
      rows.push_back({name, std::string(base::text(proxy, "cluster_id")), sync(proxy, "cluster"),
                      sync(proxy, "listener"), sync(proxy, "endpoint"), sync(proxy, "route"),
                      sync(proxy, "extensionconfig"), answer.pod, std::string(base::text(proxy, "istio_version"))});
    }
  std::sort(rows.begin(), rows.end());
  rows.insert(rows.begin(), {"NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "ECDS", "ISTIOD", "VERSION"});
  std::printf("%s", table(rows, 5).c_str());
}

void add_proxy_status(CLI::App& app, const RootFlags& root) {
  auto* command =
      app.add_subcommand("proxy-status", "Print how far each proxy's configuration is in step, or how one differs");
  command->alias("ps");
  command->footer("Example:\n  istioctl proxy-status\n  istioctl proxy-status deploy/helloworld-v1");
  struct Flags {
    std::string only;
    std::string output;
  };
  auto flags = std::make_shared<Flags>();
  command->add_option("proxy", flags->only,
                      "one proxy, as POD[.NAMESPACE] or deploy/NAME: what istiod sent against what it has");
  command->add_option("-o,--output", flags->output, "yaml or json")->check(CLI::IsMember({"yaml", "json"}));
  command->callback([flags, &root] {
    if (!flags->output.empty())
      print_documents(root, flags->output, flags->only);
    else if (flags->only.empty())
      print_status(root);
    else
      print_difference(root, flags->only);
  });
}

}  // namespace cli
