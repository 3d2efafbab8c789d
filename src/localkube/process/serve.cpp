// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/serve.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "localkube/api/server.h"
#include "localkube/controllers/deployments.h"
#include "localkube/controllers/disruption_budgets.h"
#include "localkube/controllers/endpoints.h"
#include "localkube/controllers/garbage_collector.h"
#include "localkube/controllers/host_access.h"
#include "localkube/controllers/namespaces.h"
#include "localkube/controllers/node_status.h"
#include "localkube/controllers/replica_sets.h"
#include "localkube/controllers/scheduler.h"
#include "localkube/controllers/service_proxy.h"
#include "localkube/network/dns_server.h"
#include "localkube/process/files.h"
#include "localkube/process/program.h"
#include "localkube/runtime/pod_runtime.h"

namespace localkube {
namespace {

std::vector<std::string> programs_of_seine() {
  std::error_code error;
  auto directory = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> out;
  for (const char* name : {"seined", "seine-proxy", "seine-samples"})
    if (std::filesystem::exists(directory / name, error)) out.push_back((directory / name).string());
  return out;
}

std::unique_ptr<ApiServer> open_api(net::Loop& loop, const HoldOptions& options, int& code) {
  ApiServerOptions wanted{.state_dir = options.state.string()};
  if (!options.listen.empty()) wanted.more_names.push_back(options.listen);
  auto server = ApiServer::open(loop, std::move(wanted));
  if (server) return std::move(*server);
  base::log::error("API server: {}", server.error().message);
  code = server.error().kind == base::ErrorKind::Invalid ? kHopeless : 1;
  return nullptr;
}

// The tree of all that serve consists of; members depend on those above them.
struct Machine {
  net::Loop& loop;
  const HoldOptions& options;
  Children children{loop};
  HostPortsClient host{loop, Fd(3)};
  PodNetwork network;
  std::unique_ptr<ApiServer> api_server;
  Api& api{api_server->api()};
  EventRecorder events{loop, api};
  Cluster cluster{loop, api, events};
  NodeStatus::Facts facts = NodeStatus::facts_of_this_machine();
  ServiceRules rules{children};
  std::unique_ptr<dns::Server> dns;

  NodeStatus node_status{cluster, facts};
  Namespaces namespaces{cluster, api_server->ca_certificate()};
  Scheduler scheduler{cluster, facts.name};
  ReplicaSets replica_sets{cluster};
  Deployments deployments{cluster};
  DisruptionBudgets disruption_budgets{cluster};
  EndpointSlices slices{cluster};
  ServiceProxy service_proxy{cluster, rules};
  GarbageCollector garbage_collector{cluster};
  HostAccess host_access{cluster, host, options.listen};
  Node node;
  PodRuntime pods{node};

  Machine(net::Loop& on, const HoldOptions& with, const std::string& epoch, PodNetwork pod_network,
          std::unique_ptr<ApiServer> server)
      : loop(on),
        options(with),
        network(std::move(pod_network)),
        api_server(std::move(server)),
        node{.loop = loop,
             .api = api,
             .children = children,
             .network = network,
             .events = events,
             .images = Images(options.state / "images.yaml"),
             .cgroups = Cgroups::open(options.state),
             .issue_token = [this](const TokenOrder& order) { return api_server->issue_token(order); },
             .epoch = epoch,
             .programs = programs_of_seine(),
             .name = facts.name,
             .ip = facts.address,
             .milli_cpus = facts.milli_cpus,
             .bytes = facts.bytes} {}
};

net::Task<base::Result<void>> open_front(Machine& machine) {
  auto inside = net::Address::parse(kGatewayAddress, kApiPort);
  auto listening = machine.api_server->listen(*inside);
  if (!listening) co_return std::unexpected(std::move(listening.error()));
  std::vector<std::string> candidates = {"127.0.0.1:" + std::to_string(kApiPort)};
  auto outside = co_await machine.host.listen("api", std::move(candidates));
  if (!outside) co_return std::unexpected(std::move(outside.error()));
  auto adopted = machine.api_server->adopt(outside->socket.release());
  if (!adopted) co_return std::unexpected(std::move(adopted.error()));
  auto kubeconfig = machine.api_server->write_kubeconfig("https://" + outside->address.text());
  if (!kubeconfig) co_return std::unexpected(std::move(kubeconfig.error()));
  base::log::info("serving on https://{}, {}", outside->address.text(), *kubeconfig);
  co_return base::Result<void>();
}

net::Task<void> open_dns(Machine& machine) {
  auto address = net::Address::parse(kDnsAddress, 53);
  auto server = dns::Server::make(machine.loop, machine.api, *address);
  if (!server) {
    base::log::error("DNS: {}", server.error().message);
    co_return;
  }
  machine.dns = std::move(*server);
  auto conf = base::read_file("/etc/resolv.conf");
  auto resolver = conf ? dns::resolver_of(*conf) : std::nullopt;
  if (!resolver) co_return;
  auto socket = co_await machine.host.datagrams();
  if (socket) machine.dns->forward_by(std::move(*socket), *resolver);
}

// The account and the CA of a namespace must be there before pods of it can be made.
net::Task<void> begin(Machine& machine, int& code) {
  machine.api_server->set_pod_streams(machine.pods);
  if (!machine.node.cgroups.limits_memory())
    base::log::warn("no control groups can be made here: resources.limits of pods are not enforced");
  if (!machine.node.cgroups.limits_processes())
    base::log::warn("no control groups can be made here: a pod may start as many processes as the machine takes");
  co_await open_dns(machine);
  co_await NodeStatus::begin(&machine.node_status);
  co_await PodRuntime::looked(&machine.pods);
  auto opened = co_await open_front(machine);
  if (opened) co_return;
  base::log::error("{}", opened.error().message);
  code = 1;
  machine.loop.stop();
}

}  // namespace

int serve(const HoldOptions& options, const std::string& epoch) {
  prctl(PR_SET_NAME, "localkube-serve");
  signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  // Service rules need nft, which an ordinary user's PATH may not reach.
  const char* path = getenv("PATH");
  setenv("PATH", (std::string(path ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin").c_str(), 1);
  if (auto made = make_directory(options.state / "pods", 0700); !made || chdir(options.state.c_str()) != 0) {
    base::log::error("{}", made ? "cannot enter " + options.state.string() : made.error().message);
    return 1;
  }
  auto network = PodNetwork::make();
  if (!network) {
    base::log::error("network: {}", network.error().message);
    return 1;
  }
  net::Loop loop;
  int code = 0;
  auto api = open_api(loop, options, code);
  if (!api) return code;
  Machine machine(loop, options, epoch, std::move(*network), std::move(api));
  SignalWatch signals(loop, {SIGTERM, SIGINT}, [&](int) { loop.stop(); });
  loop.post([&] { net::spawn(begin(machine, code)); });
  loop.run();
  return code;
}

}  // namespace localkube
