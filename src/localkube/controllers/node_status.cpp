// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/node_status.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "localkube/fields.h"
#include "localkube/network/pod_network.h"
#include "localkube/process/files.h"
#include "localkube/version.h"

namespace localkube {

static constexpr auto kHeartBeat = std::chrono::seconds(10);

NodeStatus::Facts NodeStatus::facts_of_this_machine() {
  struct sysinfo info{};
  sysinfo(&info);
  return {.name = "seine",
          .address = kGatewayAddress,
          .milli_cpus = sysconf(_SC_NPROCESSORS_ONLN) * 1000,
          .bytes = static_cast<int64_t>(info.totalram) * info.mem_unit};
}

NodeStatus::NodeStatus(Cluster& cluster, Facts facts)
    : cluster_(cluster), facts_(std::move(facts)), heart_(cluster.loop, [this] { net::spawn(beat(this)); }) {}

net::Task<void> NodeStatus::begin(NodeStatus* self) {
  co_await write_node(self);
  co_await write_services(self);
  co_await beat(self);
}

static base::Json node_status(const NodeStatus::Facts& facts, const base::Json& before) {
  utsname kernel{};
  uname(&kernel);
  std::string os = "Linux";
  if (auto release = base::read_file("/usr/lib/os-release"))
    for (std::string_view line : base::split(*release, '\n'))
      if (line.starts_with("PRETTY_NAME=\"") && line.size() > 14) os = line.substr(13, line.size() - 14);
  auto id = [](const char* path) {
    auto text = base::read_file(path);
    return text ? std::string(base::trim(*text)) : std::string();
  };
  base::Json capacity = {{"cpu", std::to_string(facts.milli_cpus / 1000)},
                         {"memory", std::to_string(facts.bytes / 1024) + "Ki"},
                         {"ephemeral-storage", "0"},
                         {"pods", "250"}};
  base::Json conditions = before.value("conditions", base::Json::array());
  for (auto [type, reason, message] :
       {std::tuple("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        std::tuple("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        std::tuple("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available")})
    set_condition(conditions, {.type = type, .good = false, .reason = reason, .message = message});
  set_condition(
      conditions,
      {.type = "Ready", .good = true, .reason = "KubeletReady", .message = "localkube is posting ready status"});
  for (base::Json& condition : conditions) {
    condition.erase("lastUpdateTime");
    condition["lastHeartbeatTime"] = now_text();
  }
  return {{"capacity", capacity},
          {"allocatable", capacity},
          {"conditions", std::move(conditions)},
          {"addresses",
           {{{"type", "InternalIP"}, {"address", facts.address}}, {{"type", "Hostname"}, {"address", facts.name}}}},
          {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", 0}}}}},
          {"nodeInfo",
           {{"machineID", id("/etc/machine-id")},
            {"systemUUID", id("/etc/machine-id")},
            {"bootID", id("/proc/sys/kernel/random/boot_id")},
            {"kernelVersion", kernel.release},
            {"osImage", os},
            {"containerRuntimeVersion", "localkube://" SEINE_VERSION},
            {"kubeletVersion", kKubernetesVersion},
            {"kubeProxyVersion", kKubernetesVersion},
            {"operatingSystem", "linux"},
            {"architecture", "amd64"}}}};
}

net::Task<void> NodeStatus::write_node(NodeStatus* self) {
  Api& api = self->cluster_.api;
  const std::string& name = self->facts_.name;
  if (!api.get(kinds::kNodes, {}, name)) {
    base::Json labels = {{"kubernetes.io/hostname", name},     {"kubernetes.io/os", "linux"},
                         {"kubernetes.io/arch", "amd64"},      {"beta.kubernetes.io/os", "linux"},
                         {"beta.kubernetes.io/arch", "amd64"}, {"node-role.kubernetes.io/control-plane", ""}};
    base::Json document = {{"apiVersion", "v1"},
                           {"kind", "Node"},
                           {"metadata", {{"name", name}, {"labels", std::move(labels)}}},
                           {"spec", {{"podCIDR", "10.10.0.0/16"}, {"podCIDRs", {"10.10.0.0/16"}}}}};
    auto made = co_await api.create(kinds::kNodes, objects::Object(std::move(document)));
    if (!made) base::log::error("node: {}", made.error().message);
  }
  auto node = api.get(kinds::kNodes, {}, name);
  if (!node) co_return;
  base::Json status = node_status(self->facts_, node->status());
  node->json()["status"] = std::move(status);
  node->json()["metadata"].erase("resourceVersion");
  auto written = co_await api.update_status(kinds::kNodes, std::move(*node));
  if (!written) base::log::error("node: {}", written.error().message);
}

static base::Json service(const char* ns, const char* name, const char* address, base::Json labels, base::Json ports) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", name}, {"namespace", ns}, {"labels", std::move(labels)}}},
          {"spec", {{"type", "ClusterIP"}, {"clusterIP", address}, {"ports", std::move(ports)}}}};
}

net::Task<void> NodeStatus::write_services(NodeStatus* self) {
  Api& api = self->cluster_.api;
  if (!api.get(kinds::kServices, "default", "kubernetes")) {
    base::Json port = {{"name", "https"}, {"port", 443}, {"protocol", "TCP"}, {"targetPort", kApiPort}};
    base::Json labels = {{"component", "apiserver"}, {"provider", "kubernetes"}};
    base::Json document =
        service("default", "kubernetes", kApiServiceAddress, std::move(labels), base::Json::array({port}));
    auto made = co_await api.create(kinds::kServices, objects::Object(std::move(document)));
    if (!made) base::log::error("Service kubernetes: {}", made.error().message);
  }
  if (!api.get(kinds::kSlices, "default", "kubernetes")) {
    base::Json endpoint = {{"addresses", {kGatewayAddress}}, {"conditions", {{"ready", true}}}};
    base::Json port = {{"name", "https"}, {"port", kApiPort}, {"protocol", "TCP"}};
    base::Json document = {{"apiVersion", "discovery.k8s.io/v1"},
                           {"kind", "EndpointSlice"},
                           {"metadata",
                            {{"name", "kubernetes"},
                             {"namespace", "default"},
                             {"labels", {{"kubernetes.io/service-name", "kubernetes"}}}}},
                           {"addressType", "IPv4"},
                           {"endpoints", base::Json::array({endpoint})},
                           {"ports", base::Json::array({port})}};
    auto made = co_await api.create(kinds::kSlices, objects::Object(std::move(document)));
    if (!made) base::log::error("EndpointSlice kubernetes: {}", made.error().message);
  }
  if (!api.get(kinds::kEndpoints, "default", "kubernetes")) {
    base::Json address = {{"ip", kGatewayAddress}}, port = {{"name", "https"}, {"port", kApiPort}, {"protocol", "TCP"}};
    base::Json subset = {{"addresses", base::Json::array({address})}, {"ports", base::Json::array({port})}};
    base::Json document = {{"apiVersion", "v1"},
                           {"kind", "Endpoints"},
                           {"metadata", {{"name", "kubernetes"}, {"namespace", "default"}}},
                           {"subsets", base::Json::array({subset})}};
    auto made = co_await api.create(kinds::kEndpoints, objects::Object(std::move(document)));
    if (!made) base::log::error("Endpoints kubernetes: {}", made.error().message);
  }
  if (!api.get(kinds::kServices, "kube-system", "kube-dns")) {
    base::Json udp = {{"name", "dns"}, {"port", 53}, {"protocol", "UDP"}, {"targetPort", 53}};
    base::Json tcp = {{"name", "dns-tcp"}, {"port", 53}, {"protocol", "TCP"}, {"targetPort", 53}};
    base::Json labels = {
        {"k8s-app", "kube-dns"}, {"kubernetes.io/cluster-service", "true"}, {"kubernetes.io/name", "CoreDNS"}};
    base::Json document =
        service("kube-system", "kube-dns", kDnsAddress, std::move(labels), base::Json::array({udp, tcp}));
    auto made = co_await api.create(kinds::kServices, objects::Object(std::move(document)));
    if (!made) base::log::error("Service kube-dns: {}", made.error().message);
  }
}

net::Task<void> NodeStatus::beat(NodeStatus* self) {
  Api& api = self->cluster_.api;
  const std::string ns = "kube-node-lease", name = self->facts_.name;
  base::Json renewed = {
      {"spec", {{"renewTime", now_text_micro()}, {"holderIdentity", name}, {"leaseDurationSeconds", 40}}}};
  if (api.get(kinds::kLeases, ns, name)) {
    auto patched = co_await api.patch(kinds::kLeases, ns, name, PatchType::Merge, std::move(renewed));
    (void)patched;
  } else {
    renewed["apiVersion"] = "coordination.k8s.io/v1";
    renewed["kind"] = "Lease";
    renewed["metadata"] = {{"name", name}, {"namespace", ns}};
    auto made = co_await api.create(kinds::kLeases, objects::Object(std::move(renewed)));
    (void)made;
  }
  self->heart_.arm(kHeartBeat);
}

}  // namespace localkube
