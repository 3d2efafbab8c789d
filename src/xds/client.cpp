// SPDX-License-Identifier: Apache-2.0
#include "xds/client.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <ranges>

#include "base/log.h"
#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace xds {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using Names = std::set<std::string>;

constexpr std::string_view kWrapped = "type.googleapis.com/envoy.service.discovery.v3.Resource";

constexpr size_t kMostWords = 16 * 1024;  // bytes of a NACK's reasons

static std::chrono::milliseconds ttl_of(const envoy::service::discovery::v3::Resource& resource) {
  constexpr int64_t kLongest = 100ll * 366 * 24 * 3600;  // no clock's sum with it overflows
  return std::chrono::seconds(std::clamp<int64_t>(resource.ttl().seconds(), -kLongest, kLongest)) +
         std::chrono::milliseconds(resource.ttl().nanos() / 1'000'000);
}

std::string name_of(const google::protobuf::Any& resource) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(resource.value().data()),
                                            static_cast<int>(resource.value().size()));
  // Most serializers write fields in order, so that the name comes first; but none has to.
  for (uint32_t tag; (tag = in.ReadTag()) != 0;) {
    uint32_t size = 0;
    uint64_t number = 0;
    std::string name;
    bool good = false;
    switch (tag & 7) {
      case 0:
        good = in.ReadVarint64(&number);
        break;
      case 1:
        good = in.Skip(8);
        break;
      case 2:
        if (!in.ReadVarint32(&size)) return {};
        if (tag >> 3 == 1) {
          if (!in.ReadString(&name, static_cast<int>(size))) return {};
          return base::is_utf8(name) ? name : base::printable(name);
        }
        good = in.Skip(static_cast<int>(size));
        break;
      case 5:
        good = in.Skip(4);
        break;
      default:
        break;
    }
    if (!good) return {};
  }
  return {};
}

void ClientSession::forget(std::string_view url, std::string_view name) {
  if (auto it = types_.find(url); it != types_.end()) it->second.held.erase(std::string(name));
}

void ClientSession::want_all(std::string_view url) {
  Type& type = types_[std::string(url)];
  if (type.wildcard) return;
  type.wildcard = true;
  ask(url, type, {}, {});
}

void ClientSession::want(std::string_view url, const Names& names) {
  Type& type = types_[std::string(url)];
  if (type.names == names) return;
  Names added, dropped;
  std::set_difference(names.begin(), names.end(), type.names.begin(), type.names.end(),
                      std::inserter(added, added.end()));
  std::set_difference(type.names.begin(), type.names.end(), names.begin(), names.end(),
                      std::inserter(dropped, dropped.end()));
  type.names = names;
  for (const std::string& name : dropped) type.held.erase(name);
  ask(url, type, added, dropped);
}

// Says what changed in what is wanted; on a fresh stream, all of it.
void ClientSession::ask(std::string_view url, Type& type, const Names& added, const Names& dropped) {
  if (!send_) return;
  bool first = !type.asked;
  // Asking for nothing would mean asking for everything.
  if (first && !type.wildcard && type.names.empty()) return;
  type.asked = true;
  if (variant_ == Variant::Delta) {
    DeltaDiscoveryRequest request;
    request.set_type_url(std::string(url));
    if (!node_sent_) *request.mutable_node() = node_;
    const Names& subscribe = first ? type.names : added;
    for (const std::string& name : subscribe) request.add_resource_names_subscribe(name);
    if (first && type.wildcard && !type.names.empty()) request.add_resource_names_subscribe("*");
    if (first) {
      for (const auto& [name, version] : type.held) (*request.mutable_initial_resource_versions())[name] = version;
    } else {
      for (const std::string& name : dropped) request.add_resource_names_unsubscribe(name);
    }
    node_sent_ = true;
    send_(request.SerializeAsString());
    return;
  }
  DiscoveryRequest request;
  request.set_type_url(std::string(url));
  if (!node_sent_) *request.mutable_node() = node_;
  request.set_version_info(type.version);
  request.set_response_nonce(type.nonce);
  for (const std::string& name : type.names) request.add_resource_names(name);
  if (type.wildcard && !type.names.empty()) request.add_resource_names("*");
  node_sent_ = true;
  send_(request.SerializeAsString());
}

// ACK, or NACK with every refused resource and its reason.
void ClientSession::answer(const std::string& url, Type& type, const std::vector<Refused>& refused) {
  if (!send_) return;
  std::string why;
  size_t told = 0;
  // What a server sent may be no UTF-8, and would make a message that it cannot read; nor does it read a long one.
  for (; told < refused.size() && why.size() < kMostWords; ++told)
    why += (why.empty() ? "" : "; ") + base::printable(refused[told].name, 256) + ": " +
           base::printable(refused[told].reason, 4096);
  if (told < refused.size()) why += "; and " + std::to_string(refused.size() - told) + " more";
  auto fill = [&](auto& request) {
    request.set_type_url(url);
    request.set_response_nonce(type.nonce);
    if (refused.empty()) return;
    request.mutable_error_detail()->set_code(3);  // INVALID_ARGUMENT
    request.mutable_error_detail()->set_message(why);
  };
  if (variant_ == Variant::Delta) {
    DeltaDiscoveryRequest request;
    fill(request);
    send_(request.SerializeAsString());
    return;
  }
  DiscoveryRequest request;
  fill(request);
  request.set_version_info(type.version);
  for (const std::string& name : type.names) request.add_resource_names(name);
  if (type.wildcard && !type.names.empty()) request.add_resource_names("*");
  send_(request.SerializeAsString());
}

void ClientSession::begin(Send send) {
  send_ = std::move(send);
  node_sent_ = false;
  for (auto& [url, type] : types_) {
    type.asked = false;
    type.nonce.clear();
  }
  // Clusters before their endpoints, listeners before their routes; the rest after.
  constexpr std::string_view kOrder[] = {type::kCluster, type::kEndpoint,    type::kListener,
                                         type::kRoute,   type::kVirtualHost, type::kSecret};
  for (std::string_view url : kOrder)
    if (auto it = types_.find(url); it != types_.end()) ask(url, it->second, {}, {});
  for (auto& [url, type] : types_)
    if (!type.asked) ask(url, type, {}, {});
}

base::Result<void> ClientSession::receive(std::string_view response) {
  return variant_ == Variant::Delta ? receive_delta(response) : receive_sotw(response);
}

// Why a resource is none of this type; empty: it may be one.
static std::string misfit(const Offered& offered, const std::string& url) {
  if (offered.heartbeat) return {};
  if (offered.body.type_url() != url) return "type " + offered.body.type_url() + " in a response for " + url;
  return offered.name.empty() ? "the resource has no name" : "";
}

std::vector<Refused> ClientSession::take(const std::string& url, Type& type, std::vector<Offered> changed,
                                         const std::vector<std::string>& removed) {
  std::vector<Refused> refused;
  std::erase_if(changed, [&](const Offered& offered) {
    std::string why = misfit(offered, url);
    if (why.empty()) return false;
    refused.push_back({offered.name, std::move(why)});
    return true;
  });
  // What was not asked for by its name is not held; of virtual hosts the server chooses the names.
  auto holds = [&](const Offered& offered) {
    return !offered.heartbeat && (type.wildcard || url == type::kVirtualHost || type.names.contains(offered.name));
  };
  for (const Offered& offered : changed)
    if (holds(offered)) type.held.try_emplace(offered.name);
  for (const std::string& name : removed) type.held.erase(name);
  type.answered = true;
  // `type` may move on while this runs: taking clusters makes endpoints wanted.
  std::vector<Refused> bad = take_(url, changed, removed);
  std::set<std::string_view> names;
  for (const Refused& one : bad) names.insert(one.name);
  for (const Offered& offered : changed)
    if (auto it = type.held.find(offered.name);
        !offered.heartbeat && it != type.held.end() && !names.contains(it->first))
      it->second = offered.version;
  std::ranges::move(bad, std::back_inserter(refused));
  return refused;
}

// The type that a response is of; nullptr: nobody asked for it.
ClientSession::Type* ClientSession::type_of(const std::string& url) {
  if (auto it = types_.find(url); it != types_.end()) return &it->second;
  if (strange_.size() < 10 && strange_.insert(url).second)
    base::log::warn("xds: the server sent type {}, which was not asked for", base::printable(url, 256));
  return nullptr;
}

base::Result<void> ClientSession::receive_sotw(std::string_view bytes) {
  DiscoveryResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return base::fail(base::ErrorKind::Invalid, "the server sent no DiscoveryResponse");
  const std::string url = response.type_url();
  Type* type = type_of(url);
  if (!type) return {};
  type->nonce = response.nonce();
  std::vector<Offered> changed;
  std::vector<Refused> misfits;
  std::set<std::string> present;
  for (auto& resource : *response.mutable_resources()) {
    Offered offered{.version = response.version_info()};
    if (resource.type_url() == kWrapped) {
      envoy::service::discovery::v3::Resource inner;
      if (!inner.ParseFromString(resource.value())) {
        misfits.push_back({"", "a Resource that is malformed"});
        continue;
      }
      offered.ttl = ttl_of(inner);
      offered.name = inner.name();
      offered.heartbeat = !inner.has_resource();
      offered.body = std::move(*inner.mutable_resource());
      if (offered.name.empty()) offered.name = name_of(offered.body);
    } else {
      offered.name = name_of(resource);
      offered.body = std::move(resource);
    }
    if (std::string why = misfit(offered, url); !why.empty()) misfits.push_back({offered.name, std::move(why)});
    present.insert(offered.name);
    changed.push_back(std::move(offered));
  }
  // What is there cannot be told from it, so nothing of it counts (as Envoy: a response that does not decode).
  if (!misfits.empty()) {
    for (const Refused& one : misfits | std::views::take(10))
      base::log::warn("xds: a response is refused: {} {}", base::printable(one.name, 256), base::printable(one.reason));
    type->answered = true;
    answer(url, *type, misfits);
    return {};
  }
  // Of clusters and listeners a response is all there is.
  std::vector<std::string> removed;
  if (type->wildcard)
    for (const auto& [name, version] : type->held)
      if (!present.contains(name)) removed.push_back(name);
  std::vector<Refused> refused = take(url, *type, std::move(changed), removed);
  if (refused.empty()) type->version = response.version_info();
  answer(url, *type, refused);
  return {};
}

base::Result<void> ClientSession::receive_delta(std::string_view bytes) {
  DeltaDiscoveryResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return base::fail(base::ErrorKind::Invalid, "the server sent no DeltaDiscoveryResponse");
  const std::string url = response.type_url();
  Type* type = type_of(url);
  if (!type) return {};
  type->nonce = response.nonce();
  std::vector<Offered> changed;
  std::vector<std::string> removed(response.removed_resources().begin(), response.removed_resources().end());
  for (auto& resource : *response.mutable_resources()) {
    Offered offered{.name = resource.name(),
                    .version = resource.version(),
                    .ttl = ttl_of(resource),
                    .heartbeat = !resource.has_resource()};
    if (offered.heartbeat && !offered.ttl.count()) {
      // Asked for by another name, and there is none (VHDS).
      removed.push_back(offered.name);
      removed.insert(removed.end(), resource.aliases().begin(), resource.aliases().end());
      continue;
    }
    offered.body = std::move(*resource.mutable_resource());
    changed.push_back(std::move(offered));
  }
  std::vector<Refused> refused = take(url, *type, std::move(changed), removed);
  answer(url, *type, refused);
  return {};
}

bool ClientSession::answered() const {
  return std::all_of(types_.begin(), types_.end(), [](const auto& entry) {
    return entry.second.answered || (!entry.second.wildcard && entry.second.names.empty());
  });
}

}  // namespace xds
