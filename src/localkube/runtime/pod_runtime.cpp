// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/pod_runtime.h"

#include <filesystem>

#include "base/log.h"
#include "localkube/fields.h"

namespace localkube {

static const objects::Resource kPods{"", "v1", "pods"};
static constexpr auto kRenewal = std::chrono::seconds(30);

PodRuntime::PodRuntime(Node& node) : node_(node), renewal_(node.loop, [this] { renew_tokens(); }) {
  sweep_directories();
  watches_.push_back(node_.api.watch(kPods, [this](const Change& change) { on_change(change); }));
  for (const char* plural : {"configmaps", "secrets"})
    watches_.push_back(node_.api.watch({"", "v1", plural}, [this](const Change& change) { on_source_change(change); }));
  renewal_.arm(kRenewal);
}

static net::Task<void> await_all(std::vector<std::shared_ptr<Pod>> pods, net::Oneshot<bool> all) {
  for (const auto& pod : pods) {
    bool looked = co_await pod->looked().wait();
    (void)looked;
  }
  all.set(true);
}

net::Task<void> PodRuntime::looked(PodRuntime* self) {
  std::vector<std::shared_ptr<Pod>> pods;
  for (const auto& [uid, pod] : self->pods_) pods.push_back(pod);
  net::Oneshot<bool> all;
  net::Timer limit(self->node_.loop, [all] { all.set(false); });
  limit.arm(std::chrono::seconds(2));
  net::spawn(await_all(std::move(pods), all));
  bool in_time = co_await all.wait();
  if (!in_time) base::log::warn("a pod's shim does not answer; the API tells of the pod as it was before");
}

void PodRuntime::on_change(const Change& change) {
  const objects::Object& object = change.object;
  std::string uid(object.uid());
  auto found = pods_.find(uid);
  if (change.type == Change::Type::Deleted) {
    if (found != pods_.end()) found->second->removed();
    return;
  }
  if (found != pods_.end()) return found->second->update(object);
  if (base::text(object.spec(), "nodeName") != node_.name) return;
  auto pod = std::make_shared<Pod>(node_, object, [this, uid] { pods_.erase(uid); });
  pods_[uid] = pod;
  pod->begin();
}

void PodRuntime::on_source_change(const Change& change) {
  for (auto& [uid, pod] : pods_)
    if (pod->object().ns() == change.object.ns()) pod->refresh_volumes();
}

void PodRuntime::renew_tokens() {
  for (auto& [uid, pod] : pods_) pod->refresh_volumes();
  renewal_.arm(kRenewal);
}

// Of pods that went while nobody was here.
void PodRuntime::sweep_directories() {
  std::set<std::string> known;
  for (const objects::Object& pod : node_.api.list(kPods)) known.insert(std::string(pod.uid()));
  for (const std::string& group : node_.cgroups.groups())
    if (!known.contains(group.substr(0, group.find('.')))) node_.cgroups.remove(group);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("pods", error)) {
    std::string uid = entry.path().filename().string();
    if (known.contains(uid)) continue;
    struct Forgotten {
      static net::Task<void> end(Node& node, std::string of) {
        auto sandbox = co_await Sandbox::adopt(node, of);
        if (sandbox) co_await (*sandbox)->end();
        std::error_code ignored;
        std::filesystem::remove_all(pod_directory(of), ignored);
      }
    };
    net::spawn(Forgotten::end(node_, std::move(uid)));
  }
}

std::shared_ptr<Pod> PodRuntime::find(std::string_view ns, std::string_view name) const {
  auto object = node_.api.get(kPods, ns, name);
  if (!object) return nullptr;
  auto found = pods_.find(std::string(object->uid()));
  return found == pods_.end() ? nullptr : found->second;
}

Answer<std::string> PodRuntime::dial_address(std::string_view ns, std::string_view name, uint16_t port) const {
  auto pod = find(ns, name);
  auto door =
      pod ? pod->door(port) : base::fail(base::ErrorKind::NotFound, "pod " + std::string(name) + " is not running");
  if (door) return "unix:" + *door;
  return std::unexpected(Refusal{.code = 400, .reason = "BadRequest", .message = door.error().message});
}

}  // namespace localkube
