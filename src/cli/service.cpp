// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/cluster.h"
#include "cli/host_ports.h"
#include "cli/table.h"

namespace cli {

// The port of the loopback that leads to a node port.
static std::string host_port(const objects::Object& service, const std::string& node_port) {
  for (const HostPort& known : host_ports_of(service))
    if (known.node_port && known.port == node_port) return known.address.substr(known.address.rfind(':') + 1);
  return node_port;
}

// URLs of a Service's ports that work from this host: its NodePorts on the loopback.
static std::vector<std::vector<std::string>> rows_of(const objects::Object& service) {
  std::vector<std::vector<std::string>> rows;
  std::string ns(service.ns()), name(service.name());
  const base::Json* ports = base::find(service.json(), "spec", "ports");
  for (const base::Json& port : ports ? *ports : base::Json::array()) {
    const base::Json* node_port = base::find(port, "nodePort");
    std::string label = std::string(base::text(port, "name")) + "/" + port.value("port", base::Json(0)).dump();
    std::string scheme = base::text(port, "name").starts_with("https") ? "https" : "http";
    bool reachable = node_port && node_port->is_number() && node_port->get<int>() != 0;
    rows.push_back({ns, name, label.starts_with('/') ? label.substr(1) : label,
                    reachable ? scheme + "://127.0.0.1:" + host_port(service, node_port->dump()) : "No node port"});
  }
  return rows;
}

static void print_services(const RootFlags& flags, const std::string& name, bool all) {
  Cluster cluster(flags);
  kube::Resource services{"", "v1", "services"};
  std::string ns = flags.ns.empty() && !all ? cluster.client->access().ns : flags.ns;
  auto list = must(cluster.wait(cluster.client->list(services, ns)));
  std::vector<std::vector<std::string>> rows = {{"NAMESPACE", "NAME", "TARGET PORT", "URL"}};
  for (const objects::Object& service : list.items)
    if (name.empty() || service.name() == name)
      for (auto& row : rows_of(service)) rows.push_back(std::move(row));
  if (rows.size() == 1) {
    std::string what = name.empty() ? "there is no service" : "service \"" + name + "\" does not exist";
    give_up({.kind = base::ErrorKind::NotFound, .message = what + (ns.empty() ? "" : " in namespace " + ns)});
  }
  std::printf("%s", table(rows).c_str());
}

void add_service(CLI::App& app, const RootFlags& root) {
  auto* command = app.add_subcommand("service", "Print URLs at which Services can be reached from this machine");
  command->footer("Example:\n  seine service -n istio-system istio-ingressgateway");
  struct Flags {
    std::string name;
    bool all = false;
  };
  auto flags = std::make_shared<Flags>();
  command->add_option("name", flags->name, "one Service");
  command->add_flag("--all", flags->all, "all Services; of all namespaces unless -n names one");
  command->callback([flags, &root] { print_services(root, flags->name, flags->all); });
}

}  // namespace cli
