// SPDX-License-Identifier: Apache-2.0
#include "control/webhook_configurations.h"

#include <map>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "kube/watcher.h"

namespace control {

using namespace std::chrono_literals;
using base::ErrorKind;
using objects::Json;
using objects::Object;

namespace {

const kube::Resource kMutating{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"};
const kube::Resource kValidating{"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"};

bool points_to(const Json& webhook, const WebhookConfigurations::Service& service) {
  std::string_view name = base::text(webhook, "clientConfig", "service", "name");
  return base::text(webhook, "clientConfig", "service", "namespace") == service.ns &&
         (name == "istiod" || name == "istiod-" + service.revision);
}

}  // namespace

Json WebhookConfigurations::patch(const Object& configuration, const Service& service, std::string_view root_pem,
                                  Denials denials) {
  Json out = Json::array();
  const Json* webhooks = base::find(configuration.json(), "webhooks");
  if (configuration.label("istio.io/rev") != service.revision || !webhooks || !webhooks->is_array()) return out;
  std::string bundle = base::to_base64(root_pem);
  bool validating = configuration.kind_name() == "ValidatingWebhookConfiguration";
  for (size_t i = 0; i < webhooks->size(); ++i) {
    const Json& webhook = (*webhooks)[i];
    if (!points_to(webhook, service)) continue;
    std::string path = "/webhooks/" + std::to_string(i);
    if (base::text(webhook, "clientConfig", "caBundle") != bundle)
      out.push_back({{"op", "add"}, {"path", path + "/clientConfig/caBundle"}, {"value", bundle}});
    const std::string told = "/validate/" + service.word;
    std::string_view called = base::text(webhook, "clientConfig", "service", "path");
    if (validating && !service.word.empty() && called != told && (called.empty() || called.starts_with("/validate")))
      out.push_back({{"op", "add"}, {"path", path + "/clientConfig/service/path"}, {"value", told}});
    if (validating && denials == Denials::Arrive && base::text(webhook, "failurePolicy") != "Fail")
      out.push_back({{"op", "add"}, {"path", path + "/failurePolicy"}, {"value", "Fail"}});
  }
  return out;
}

struct WebhookConfigurations::State {
  kube::Client& api;
  const Service service;
  const std::string root_pem;
  std::map<std::pair<std::string, std::string>, std::pair<kube::Resource, Object>> seen;  // by kind and name
  std::set<std::pair<std::string, std::string>> working;
  Denials denials = Denials::NotSeen;
  bool probing = false;
  bool stopped = false;
  std::unique_ptr<kube::Watcher> mutating, validating;

  State(kube::Client& client, Service ours, std::string root)
      : api(client), service(std::move(ours)), root_pem(std::move(root)) {}

  void on_event(const kube::Resource& resource, std::string kind, kube::Watcher::Event event, const Object& object,
                const std::shared_ptr<State>& self);
  static net::Task<void> put_right(std::shared_ptr<State> self, std::pair<std::string, std::string> key);
  static net::Task<void> probe(std::shared_ptr<State> self);
};

void WebhookConfigurations::State::on_event(const kube::Resource& resource, std::string kind,
                                            kube::Watcher::Event event, const Object& object,
                                            const std::shared_ptr<State>& self) {
  if (event == kube::Watcher::Event::Synced) return;
  std::pair key(kind, std::string(object.name()));
  if (event == kube::Watcher::Event::Deleted) {
    seen.erase(key);
    return;
  }
  Object typed = object;  // items of a list come without their kind from some servers
  typed.json()["kind"] = kind;
  seen.insert_or_assign(key, std::pair(resource, std::move(typed)));
  if (working.insert(key).second) net::spawn(put_right(self, key));
  if (kind == "ValidatingWebhookConfiguration" && denials == Denials::NotSeen && !probing &&
      object.label("istio.io/rev") == service.revision) {
    probing = true;
    net::spawn(probe(self));
  }
}

net::Task<void> WebhookConfigurations::State::put_right(std::shared_ptr<State> self,
                                                        std::pair<std::string, std::string> key) {
  net::Clock::duration delay = 100ms;
  while (!self->stopped) {
    auto it = self->seen.find(key);
    if (it == self->seen.end()) break;
    Json wanted = patch(it->second.second, self->service, self->root_pem, self->denials);
    if (wanted.empty()) break;
    kube::Resource resource = it->second.first;
    // The list may have been reordered meanwhile: the patch only counts for the version it was made from.
    wanted.insert(
        wanted.begin(),
        Json{{"op", "test"}, {"path", "/metadata/resourceVersion"}, {"value", it->second.second.resource_version()}});
    auto done = co_await self->api.patch(resource, "", key.second, kube::PatchType::Json, std::move(wanted));
    if (done) {
      base::log::info("webhooks: {} {} leads here", key.first, key.second);
      Object now = std::move(*done);
      now.json()["kind"] = key.first;
      self->seen.insert_or_assign(key, std::pair(resource, std::move(now)));
      continue;
    }
    base::log::warn("webhooks: {} {}: {}", key.first, key.second, base::printable(done.error().message));
    co_await net::sleep(self->api.loop(), delay);
    delay = std::min<net::Clock::duration>(delay * 2, 10s);
  }
  self->working.erase(key);
}

// Asks the API server to create, as a dry run, what validation must deny. Only
// once the denial comes may the policy be Fail: else nobody could apply a thing
// while this control plane cannot be reached.
net::Task<void> WebhookConfigurations::State::probe(std::shared_ptr<State> self) {
  Json gateway = {{"apiVersion", "networking.istio.io/v1"},
                  {"kind", "Gateway"},
                  {"metadata", {{"name", "istiod-validation-check"}, {"namespace", self->service.ns}}},
                  {"spec", Json::object()}};
  std::string path = "/apis/networking.istio.io/v1/namespaces/" + self->service.ns + "/gateways?dryRun=All";
  std::string body = gateway.dump();
  net::Clock::duration delay = 100ms;
  while (!self->stopped) {
    auto answer = co_await self->api.request("POST", path, body);
    if (answer && answer->status >= 400 && answer->body.find("validation.istio.io") != std::string::npos &&
        answer->body.find("denied the request") != std::string::npos)
      break;
    co_await net::sleep(self->api.loop(), delay);
    delay = std::min<net::Clock::duration>(delay * 2, 10s);
  }
  if (self->stopped) co_return;
  self->denials = Denials::Arrive;
  std::vector<std::pair<std::string, std::string>> keys;
  for (const auto& [key, value] : self->seen) keys.push_back(key);
  for (const auto& key : keys)
    if (self->working.insert(key).second) net::spawn(put_right(self, key));
}

WebhookConfigurations::WebhookConfigurations(kube::Client& api, Service service, std::string root_pem)
    : state_(std::make_shared<State>(api, std::move(service), std::move(root_pem))) {
  auto watch = [&](const kube::Resource& resource, const char* kind) {
    std::weak_ptr<State> weak = state_;
    auto call = [weak, resource, kind](kube::Watcher::Event event, const Object& object) {
      if (auto state = weak.lock()) state->on_event(resource, kind, event, object, state);
    };
    return std::make_unique<kube::Watcher>(api, resource, call);
  };
  state_->mutating = watch(kMutating, "MutatingWebhookConfiguration");
  state_->validating = watch(kValidating, "ValidatingWebhookConfiguration");
}

WebhookConfigurations::~WebhookConfigurations() { state_->stopped = true; }

}  // namespace control
