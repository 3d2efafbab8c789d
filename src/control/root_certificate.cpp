// SPDX-License-Identifier: Apache-2.0
#include "control/root_certificate.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace control {

using namespace std::chrono_literals;
using base::ErrorKind;
using objects::Json;
using objects::Object;

namespace {

constexpr std::string_view kName = "istio-ca-root-cert";
constexpr std::array<std::string_view, 4> kSystemNamespaces = {"kube-system", "kube-public", "kube-node-lease",
                                                               "local-path-storage"};
const kube::Resource kConfigMaps{"", "v1", "configmaps"};
const kube::Resource kNamespaces{"", "v1", "namespaces"};

}  // namespace

struct RootCertificate::State {
  kube::Client& api;
  const std::string pem;
  std::set<std::string> namespaces;  // that must have it
  std::set<std::string> right;       // that have it
  std::set<std::string> working;     // a coroutine is at it
  bool stopped = false;
  std::unique_ptr<kube::Watcher> namespace_watch, map_watch;

  State(kube::Client& client, std::string root) : api(client), pem(std::move(root)) {}

  Object wanted(const std::string& ns) const {
    return Object(Json{{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata", {{"name", kName}, {"namespace", ns}, {"labels", {{"istio.io/config", "true"}}}}},
                       {"data", {{"root-cert.pem", pem}}}});
  }
  void on_namespace(kube::Watcher::Event event, const Object& object, const std::shared_ptr<State>& self);
  void on_map(kube::Watcher::Event event, const Object& object, const std::shared_ptr<State>& self);
  void check(const std::string& ns, const std::shared_ptr<State>& self);
  static net::Task<void> put_right(std::shared_ptr<State> self, std::string ns);
};

void RootCertificate::State::check(const std::string& ns, const std::shared_ptr<State>& self) {
  // Before the first list of maps is there, a look at each one would be wasted.
  if (stopped || !map_watch || !map_watch->synced() || !namespaces.contains(ns) || right.contains(ns)) return;
  if (working.insert(ns).second) net::spawn(put_right(self, ns));
}

void RootCertificate::State::on_namespace(kube::Watcher::Event event, const Object& object,
                                          const std::shared_ptr<State>& self) {
  if (event == kube::Watcher::Event::Synced) return;
  std::string ns(object.name());
  bool leaving = event == kube::Watcher::Event::Deleted || object.deleting() ||
                 std::ranges::find(kSystemNamespaces, ns) != kSystemNamespaces.end();
  if (leaving) {
    namespaces.erase(ns);
    right.erase(ns);
    return;
  }
  namespaces.insert(ns);
  check(ns, self);
}

void RootCertificate::State::on_map(kube::Watcher::Event event, const Object& object,
                                    const std::shared_ptr<State>& self) {
  if (event == kube::Watcher::Event::Synced) {
    for (const std::string& ns : std::set(namespaces)) check(ns, self);
    return;
  }
  std::string ns(object.ns());
  bool good = event != kube::Watcher::Event::Deleted && base::text(object.json(), "data", "root-cert.pem") == pem;
  if (good) {
    right.insert(ns);
    return;
  }
  right.erase(ns);
  check(ns, self);
}

net::Task<void> RootCertificate::State::put_right(std::shared_ptr<State> self, std::string ns) {
  net::Clock::duration delay = 100ms;
  while (!self->stopped && self->namespaces.contains(ns) && !self->right.contains(ns)) {
    Object object = self->wanted(ns);
    auto done = co_await self->api.create(kConfigMaps, std::move(object));
    if (!done && done.error().kind == ErrorKind::Conflict) {
      Json patch = {{"data", {{"root-cert.pem", self->pem}}}};
      std::string name(kName);
      done = co_await self->api.patch(kConfigMaps, ns, std::move(name), kube::PatchType::Merge, std::move(patch));
    }
    if (done) {
      self->right.insert(ns);
      break;
    }
    base::log::warn("ConfigMap {}/{}: {}", ns, kName, base::printable(done.error().message));
    co_await net::sleep(self->api.loop(), delay);
    delay = std::min<net::Clock::duration>(delay * 2, 10s);
  }
  self->working.erase(ns);
}

RootCertificate::RootCertificate(kube::Client& api, std::string root_pem)
    : state_(std::make_shared<State>(api, std::move(root_pem))) {
  auto watch = [&](const kube::Resource& resource, auto method, kube::ListOptions options) {
    std::weak_ptr<State> weak = state_;
    auto call = [weak, method](kube::Watcher::Event event, const Object& object) {
      if (auto state = weak.lock()) (state.get()->*method)(event, object, state);
    };
    return std::make_unique<kube::Watcher>(api, resource, call, "", std::move(options));
  };
  state_->namespace_watch = watch(kNamespaces, &State::on_namespace, {});
  state_->map_watch = watch(kConfigMaps, &State::on_map, {.field_selector = "metadata.name=" + std::string(kName)});
}

RootCertificate::~RootCertificate() { state_->stopped = true; }

}  // namespace control
