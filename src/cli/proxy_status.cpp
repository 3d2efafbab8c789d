// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/cluster.h"
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

static void print_status(const RootFlags& flags, const std::string& only, const std::string& output) {
  Cluster cluster(flags);
  auto answers = must(cluster.wait(ask_control_plane(*cluster.client, flags.istio_ns, "/debug/syncz")));
  if (!output.empty()) {
    base::Json all = base::Json::array();
    for (const PodAnswer& answer : answers)
      for (const base::Json& proxy : answer.body) all.push_back(proxy);
    std::printf("%s\n", output == "yaml" ? base::to_yaml(all).c_str() : all.dump(2).c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const PodAnswer& answer : answers)
    for (const base::Json& proxy : answer.body) {
      std::string name(base::text(proxy, "proxy"));
      if (!only.empty() && name != only && !name.starts_with(only + ".")) continue;
      rows.push_back({name, std::string(base::text(proxy, "cluster_id")), sync(proxy, "cluster"),
                      sync(proxy, "listener"), sync(proxy, "endpoint"), sync(proxy, "route"),
                      sync(proxy, "extensionconfig"), answer.pod, std::string(base::text(proxy, "istio_version"))});
    }
  if (!only.empty() && rows.empty())
    give_up({.kind = base::ErrorKind::NotFound,
             .message = "no proxy \"" + only + "\" is connected; istioctl proxy-status lists those that are"});
  std::sort(rows.begin(), rows.end());
  rows.insert(rows.begin(), {"NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "ECDS", "ISTIOD", "VERSION"});
  std::printf("%s", table(rows, 5).c_str());
}

void add_proxy_status(CLI::App& app, const RootFlags& root) {
  auto* command = app.add_subcommand("proxy-status", "Print how far each proxy's configuration is in step");
  command->alias("ps");
  command->footer("Example:\n  istioctl proxy-status\n  istioctl proxy-status helloworld-v1-5f44dd8565-abcde.default");
  struct Flags {
    std::string only;
    std::string output;
  };
  auto flags = std::make_shared<Flags>();
  command->add_option("proxy", flags->only, "one proxy, as POD.NAMESPACE");
  command->add_option("-o,--output", flags->output, "yaml or json")->check(CLI::IsMember({"yaml", "json"}));
  command->callback([flags, &root] { print_status(root, flags->only, flags->output); });
}

}  // namespace cli
