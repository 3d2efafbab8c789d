// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>

#include "cli/cluster.h"
#include "cli/control_plane.h"

namespace cli {

static base::Result<Versions> remote_versions(const RootFlags& flags) {
  auto access = kube::find_access(flags.kubeconfig, flags.context);
  // Not to know a cluster is no word about what is in it.
  if (!access) return base::fail(base::ErrorKind::Closed, access.error().message);
  Cluster cluster(std::move(*access));
  return cluster.wait(control_plane_versions(*cluster.client, flags.istio_ns));
}

std::string absence(const base::Error& error, const std::string& istio_ns) {
  if (error.kind != base::ErrorKind::NotFound)
    return "unable to retrieve the control plane's version: " + error.message;
  return "Istio is not present in the cluster: no running Istio pods in namespace \"" + istio_ns + "\"";
}

static void print_version(const RootFlags& flags, bool remote, const std::string& output) {
  std::string control_plane;
  bool absent = false;
  std::vector<Versions::Proxy> proxies;
  if (remote) {
    if (auto versions = remote_versions(flags)) {
      control_plane = versions->control_plane;
      proxies = versions->proxies;
    } else {  // this program's own is still to be told
      std::fprintf(stderr, "%s\n", absence(versions.error(), flags.istio_ns).c_str());
      remote = false;
      absent = true;
    }
  }
  if (!output.empty()) {
    base::Json out = {{"clientVersion", {{"version", SEINE_VERSION}}}};
    if (remote) {
      out["meshVersion"] = base::Json::array({{{"Component", "pilot"}, {"Info", {{"version", control_plane}}}}});
      base::Json& planes = out["dataPlaneVersion"] = base::Json::array();
      for (const Versions::Proxy& proxy : proxies)
        planes.push_back({{"ID", proxy.id}, {"IstioVersion", proxy.version}});
    }
    std::printf("%s\n", output == "yaml" ? base::to_yaml(out).c_str() : out.dump(2).c_str());
    return;
  }
  if (!remote) {
    std::printf("%s%s\n", absent ? "client version: " : "", SEINE_VERSION);
    return;
  }
  std::printf("client version: %s\ncontrol plane version: %s\n", SEINE_VERSION, control_plane.c_str());
  std::string line;
  std::map<std::string, int> counts;
  for (const Versions::Proxy& proxy : proxies) ++counts[proxy.version];
  for (const auto& [version, count] : counts)
    line +=
        (line.empty() ? "" : ", ") + version + " (" + std::to_string(count) + (count == 1 ? " proxy)" : " proxies)");
  std::printf("data plane version: %s\n", line.empty() ? "none" : line.c_str());
}

void add_version(CLI::App& app, const RootFlags& root) {
  auto* command =
      app.add_subcommand("version", "Print the versions of this program, the control plane and the proxies");
  command->footer("Example:\n  istioctl version --remote=false");
  struct Flags {
    bool remote = true;
    bool brief = false;
    std::string output;
  };
  auto flags = std::make_shared<Flags>();
  command->add_flag("--remote,!--no-remote", flags->remote, "ask the control plane too");
  command->add_flag("-s,--short", flags->brief, "accepted for istioctl's sake; the text is short already");
  command->add_option("-o,--output", flags->output, "yaml or json")->check(CLI::IsMember({"yaml", "json"}));
  command->callback([flags, &root] { print_version(root, flags->remote, flags->output); });
}

}  // namespace cli
