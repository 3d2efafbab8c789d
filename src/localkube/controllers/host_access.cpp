// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/host_access.h"

#include "base/log.h"
#include "base/strings.h"
#include "localkube/fields.h"
#include "localkube/network/pod_network.h"

namespace localkube {

static constexpr const char* kHostPorts = "localkube.seine.dev/host-ports";
static constexpr const char* kLoopback = "127.0.0.1";
// What keys of hold's sockets begin with.
static constexpr const char* kNode = "node ";
static constexpr const char* kBalancer = "balancer ";

// Where a port of the host is looked for if it cannot be had: 80 -> 8080.
static std::string second_choice(int64_t port) { return std::to_string(port < 1024 ? port + 8000 : port + 1); }

HostAccess::HostAccess(Cluster& cluster, HostPortsClient& host, std::string listen)
    : cluster_(cluster),
      host_(host),
      listen_(std::move(listen)),
      queue_(cluster.loop, [this](std::string key) { return reconcile(this, std::move(key)); }) {
  services_ = cluster_.api.watch(kinds::kServices, [this](const Change& change) {
    std::string_view type = base::text(change.object.spec(), "type");
    std::string key = key_of(change.object.ns(), change.object.name());
    if (type == "LoadBalancer" || type == "NodePort" || open_.contains(key)) queue_.add(key);
  });
  net::spawn(forget_gone(this));
}

// A Service that went while nobody looked, as this process was starting again, leaves its ports with hold.
net::Task<void> HostAccess::forget_gone(HostAccess* self) {
  std::string last;
  while (true) {
    auto keys = co_await self->host_.keys(last);
    if (!keys) base::log::warn("ports of Services that went: {}", keys.error().message);
    if (!keys || keys->empty()) co_return;
    last = keys->back();
    std::map<std::string, Wanted> wanted;
    for (const objects::Object& service : self->cluster_.api.list(kinds::kServices))
      if (!service.deleting()) wanted.merge(self->wanted_of(service));
    for (const std::string& key : *keys)
      if ((key.starts_with(kNode) || key.starts_with(kBalancer)) && !wanted.contains(key)) self->host_.close(key);
  }
}

std::map<std::string, HostAccess::Wanted> HostAccess::wanted_of(const objects::Object& service) const {
  std::map<std::string, Wanted> out;
  std::string_view type = base::text(service.spec(), "type");
  std::string name = key_of(service.ns(), service.name());
  bool everywhere = listen_ == "0.0.0.0";
  for (const base::Json& port : items(service.spec(), "ports")) {
    std::string protocol = string_at(port, "protocol");
    if (!protocol.empty() && protocol != "TCP") continue;
    int64_t outer = number(port, "port"), node = number(port, "nodePort");
    std::string on = everywhere ? listen_ : kLoopback;
    if (node != 0)
      out[kNode + std::to_string(node)] = {.candidates = {on + ":" + std::to_string(node)},
                                           .target = std::string(kGatewayAddress) + ":" + std::to_string(node),
                                           .node_port = node};
    if (type != "LoadBalancer") continue;
    Wanted wanted{.candidates = {on + ":" + std::to_string(outer), on + ":" + second_choice(outer)},
                  .target = string_at(service.spec(), "clusterIP") + ":" + std::to_string(outer),
                  .balanced_port = outer};
    out[kBalancer + name + " " + std::to_string(outer)] = wanted;
    if (listen_.empty() || everywhere || listen_ == kLoopback) continue;
    wanted.candidates = {listen_ + ":" + std::to_string(outer), listen_ + ":" + second_choice(outer)};
    out[kBalancer + name + " " + std::to_string(outer) + " " + listen_] = wanted;
  }
  return out;
}

std::string no_more_host_ports(size_t of_service, size_t of_namespace, std::string_view ns) {
  if (of_service >= kMostOfService) return "it has " + std::to_string(of_service) + " already";
  if (of_namespace >= kMostOfNamespace)
    return "Services of namespace " + std::string(ns) + " have " + std::to_string(of_namespace) + " already";
  return {};
}

std::string HostAccess::no_more_of(const std::string& service) const {
  std::string ns = names_of_key(service).first;
  size_t of_service = 0, of_namespace = 0;
  for (const auto& [key, open] : open_) {
    if (names_of_key(key).first != ns) continue;
    of_namespace += open.size();
    if (key == service) of_service = open.size();
  }
  for (const auto& [key, count] : opening_)
    if (names_of_key(key).first == ns) of_namespace += count;
  return no_more_host_ports(of_service, of_namespace, ns);
}

void HostAccess::tell_of_exhaustion(const objects::Object& service, size_t left_out, const std::string& why) {
  cluster_.events.record(
      service, {.type = EventRecorder::Type::Warning,
                .reason = "HostPortsExhausted",
                .message = "this machine has no port for " + std::to_string(left_out) + " of the Service's: " + why +
                           "; delete Services that are not needed, or make them ClusterIP",
                .component = "localkube",
                .field_path = {}});
}

bool HostAccess::close_others(const std::string& service, const std::map<std::string, Wanted>& wanted) {
  auto& open = open_[service];
  size_t before = open.size();
  for (auto at = open.begin(); at != open.end();) {
    auto still = wanted.find(at->first);
    if (still != wanted.end() && still->second.target == at->second.target) {
      ++at;
      continue;
    }
    host_.close(at->first);
    at = open.erase(at);
  }
  return open.size() < before;
}

net::Task<bool> HostAccess::reconcile(HostAccess* self, std::string key) {
  auto [ns, name] = names_of_key(key);
  auto service = self->cluster_.api.get(kinds::kServices, ns, name);
  std::map<std::string, Wanted> wanted;
  if (service && !service->deleting()) wanted = self->wanted_of(*service);
  self->waiting_.erase(key);
  if (self->close_others(key, wanted))
    for (const std::string& other : self->waiting_) self->queue_.add(other);
  bool all = true;
  size_t left_out = 0;
  std::string why;
  for (auto& [what, one] : wanted) {
    if (self->open_[key].contains(what)) continue;
    if (std::string full = self->no_more_of(key); !full.empty()) {
      ++left_out;
      why = std::move(full);
      continue;
    }
    ++self->opening_[key];
    auto opened = co_await self->host_.listen(what, one.candidates);
    if (--self->opening_[key] == 0) self->opening_.erase(key);
    auto target = net::Address::parse_host_port(one.target);
    if (!opened || !target) {
      base::log::warn("Service {}: {}", key, opened ? target.error().message : opened.error().message);
      all = false;
      continue;
    }
    auto relay = Relay::make(self->cluster_.loop, std::move(opened->socket), *target);
    if (!relay) {
      base::log::warn("Service {}: {}", key, relay.error().message);
      all = false;
      continue;
    }
    if (service && opened->address.text() != one.candidates[0]) self->tell_of_move(*service, one, opened->address);
    self->open_[key][what] = {.relay = std::move(*relay), .target = one.target, .host = opened->address};
  }
  if (left_out > 0) self->waiting_.insert(key);
  if (left_out > 0 && service) self->tell_of_exhaustion(*service, left_out, why);
  if (self->open_[key].empty()) self->open_.erase(key);
  if (service && !service->deleting()) {
    bool announced = co_await announce(self, std::move(*service));
    all = all && announced;
  }
  co_return all;
}

void HostAccess::tell_of_move(const objects::Object& service, const Wanted& wanted, const net::Address& host) {
  std::string port = wanted.node_port ? "node port " + std::to_string(wanted.node_port)
                                      : "port " + std::to_string(wanted.balanced_port);
  cluster_.events.record(service, {.type = EventRecorder::Type::Warning,
                                   .reason = "HostPortMoved",
                                   .message = port + " is at " + host.text() + " of this machine, as " +
                                              wanted.candidates[0] + " was not free",
                                   .component = "localkube",
                                   .field_path = {}});
}

std::string HostAccess::host_ports_of(const objects::Object& service) const {
  std::string ports;
  auto opened = open_.find(key_of(service.ns(), service.name()));
  if (opened == open_.end()) return ports;
  for (const auto& [what, wanted] : wanted_of(service)) {
    auto open = opened->second.find(what);
    if (open == opened->second.end()) continue;
    const net::Address& host = open->second.host;
    bool balanced = wanted.balanced_port != 0;
    if (!balanced && host.port() == wanted.node_port) continue;
    std::string label = balanced ? std::to_string(wanted.balanced_port) : "node/" + std::to_string(wanted.node_port);
    ports += (ports.empty() ? "" : ",") + label + "=" + host.text();
  }
  return ports;
}

net::Task<bool> HostAccess::announce(HostAccess* self, objects::Object service) {
  std::string ns(service.ns()), name(service.name()), ports = self->host_ports_of(service);
  if (service.annotation(kHostPorts) != ports) {
    base::Json value = ports.empty() ? base::Json(nullptr) : base::Json(ports);
    base::Json patch = {{"metadata", {{"annotations", {{kHostPorts, value}}}}}};
    auto patched = co_await self->cluster_.api.patch(kinds::kServices, ns, name, PatchType::Merge, std::move(patch));
    if (!patched) co_return patched.error().code == 404;
    service = std::move(*patched);
  }
  if (base::text(service.spec(), "type") != "LoadBalancer") co_return true;
  bool outside = !self->listen_.empty() && self->listen_ != "0.0.0.0";
  base::Json status = {
      {"loadBalancer",
       {{"ingress", base::Json::array({{{"ip", outside ? self->listen_ : kLoopback}, {"ipMode", "VIP"}}})}}}};
  if (service.status() == status) co_return true;
  service.json()["status"] = std::move(status);
  service.json()["metadata"].erase("resourceVersion");
  auto written = co_await self->cluster_.api.update_status(kinds::kServices, std::move(service));
  co_return written || written.error().code == 404;
}

}  // namespace localkube
