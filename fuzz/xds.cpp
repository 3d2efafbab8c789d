// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "fuzz/message_mutator.h"
#include "fuzz/no_new_files.h"
#include "fuzz/quiet.h"
#include "fuzz/require.h"
#include "proxy/runtime/configuration.h"

using fuzz::require;
using Response = envoy::service::discovery::v3::DiscoveryResponse;

namespace {

std::optional<proxy::Kind> kind_of(const std::string& url) {
  for (size_t i = 0; i < proxy::kResourceKinds; ++i)
    if (proxy::url_of(static_cast<proxy::Kind>(i)) == url) return static_cast<proxy::Kind>(i);
  return std::nullopt;
}

// The name that a resource gives itself, or one of its own where it gives none.
std::string name_of(proxy::Kind kind, const google::protobuf::Any& any, size_t number) {
  if (kind == proxy::Kind::VirtualHost) return "routes/" + std::to_string(number);
  const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      any.type_url().substr(any.type_url().rfind('/') + 1));
  std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  std::string out;
  if (message->ParsePartialFromString(any.value()))
    out = message->GetReflection()->GetString(
        *message, type->FindFieldByName(kind == proxy::Kind::Endpoints ? "cluster_name" : "name"));
  return out.empty() ? "r" + std::to_string(number) : out;
}

}  // namespace

// A control plane's answers: a DiscoveryResponse whose resources are of any types, each taken as its type says, twice,
// and then taken away. What is refused is refused in words and with the resource's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Response response;
  if (!response.ParseFromArray(data, static_cast<int>(size))) return 0;
  proxy::Configuration configuration({});
  // Nothing is bound: where a listener wants a socket, it gets one of nobody's.
  configuration.inherit = [](const net::Address&) {
    return std::vector<int>{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  };
  std::vector<std::pair<proxy::Kind, proxy::Resource>> resources;
  for (const auto& any : response.resources())
    if (const auto kind = kind_of(any.type_url()))
      resources.push_back({*kind, {name_of(*kind, any, resources.size()), "1", any}});
  for (int round = 0; round < 2; ++round) {
    for (const auto& [kind, resource] : resources) {
      for (const auto& rejection : configuration.update(kind, std::span(&resource, 1), {}))
        require(rejection.name == resource.name && !rejection.reason.empty());
      require(configuration.entries(kind).contains(resource.name));
    }
  }
  for (const auto& [kind, resource] : resources) {
    configuration.give_up(kind, resource.name);
    configuration.update(kind, {}, std::span(&resource.name, 1));
    require(!configuration.entries(kind).contains(resource.name));
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  Response response;
  if (seed % 8 == 0 || !response.ParseFromArray(data, static_cast<int>(size)))
    return LLVMFuzzerMutate(data, size, most);
  fuzz::MessageMutator(seed).mutate(response);
  const std::string bytes = response.SerializeAsString();
  if (bytes.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
