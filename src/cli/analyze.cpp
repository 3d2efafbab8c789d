// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/cluster.h"
#include "cli/files.h"
#include "cli/table.h"
#include "config/kinds.h"
#include "config/specs.h"
#include "mesh/snapshot.h"

namespace cli {

struct AnalyzeFlags {
  std::vector<std::string> files;
  bool all = false;
  bool use_kube = true;
};

// What the cluster holds of what a mesh is made of. A kind that it does not know is not there.
static void read_cluster(Cluster& cluster, mesh::Inputs& inputs) {
  bool knows_istio = false;
  for (const objects::Resource& resource : mesh::Inputs::watched()) {
    auto list = cluster.wait(cluster.client->list(resource));
    if (!list && list.error().kind == base::ErrorKind::NotFound) continue;
    knows_istio |= resource.group.ends_with(".istio.io");
    for (objects::Object& object : must(std::move(list)).items) inputs.put(std::move(object));
  }
  if (!knows_istio)
    std::fprintf(stderr,
                 "Warning: the cluster knows none of Istio's kinds: no mesh is installed there "
                 "('istioctl install' does it)\n");
}

static bool is_of(const objects::Ref& object, std::string_view ns) {
  if (object.kind == "Namespace") return object.name == ns;
  return object.ns.empty() || object.ns == ns;
}

// Files stand for what the cluster would hold once they were applied.
static void read_files(const std::vector<std::string>& files, const std::string& ns, mesh::Inputs& inputs) {
  for (const std::string& file : files) {
    auto documents = base::parse_yaml(read_all(file));
    if (!documents) give_up({.kind = base::ErrorKind::Invalid, .message = file + ": " + documents.error().message});
    for (base::Json& document : *documents) {
      if (!document.is_object()) continue;
      objects::Object object(std::move(document));
      if (object.ns().empty()) object.json()["metadata"]["namespace"] = ns;
      inputs.put(std::move(object));
    }
  }
}

static void analyze(const RootFlags& root, const AnalyzeFlags& flags) {
  mesh::Inputs inputs;
  std::string ns = root.ns.empty() ? "default" : root.ns;
  if (flags.use_kube) {
    Cluster cluster(root);
    if (root.ns.empty() && !cluster.client->access().ns.empty()) ns = cluster.client->access().ns;
    read_cluster(cluster, inputs);
    if (!flags.all && !inputs.find({.kind = "Namespace", .name = ns}))
      give_up({.kind = base::ErrorKind::NotFound, .message = "namespace \"" + ns + "\" not found"});
  }
  read_files(flags.files, ns, inputs);
  auto snapshot = mesh::Snapshot::build(inputs);
  std::vector<config::Finding> findings = mesh::analyze_all(inputs, *snapshot);
  if (!flags.all) std::erase_if(findings, [&](const config::Finding& finding) { return !is_of(finding.object, ns); });

  std::string where = flags.all ? "all namespaces" : "namespace: " + ns;
  if (findings.empty()) {
    std::printf("✔ No validation issues found when analyzing %s.\n", where.c_str());
    return;
  }
  bool errors = false;
  for (const config::Finding& finding : findings) {
    std::printf("%s\n", for_terminal(config::text(finding)).c_str());
    errors |= finding.severity == config::Severity::Error;
  }
  if (!errors) return;
  std::fprintf(stderr, "Error: Analyzers found issues when analyzing %s.\n", where.c_str());
  std::exit(79);  // as istioctl
}

void add_analyze(CLI::App& app, const RootFlags& root) {
  auto* command = app.add_subcommand("analyze", "Find what is wrong in and between the mesh's objects");
  command->footer(
      "Example:\n  istioctl analyze                      # the namespace of the context\n"
      "  istioctl analyze -A                   # all\n  istioctl analyze --use-kube=false FILE...");
  auto flags = std::make_shared<AnalyzeFlags>();
  command->add_option("files", flags->files, "YAML files, taken as if they were applied");
  command->add_flag("-A,--all-namespaces", flags->all, "all namespaces");
  command->add_flag("-k,--use-kube,!--no-use-kube", flags->use_kube, "look at the cluster too (default)");
  command->callback([flags, &root] { analyze(root, *flags); });
}

}  // namespace cli
