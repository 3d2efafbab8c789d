// SPDX-License-Identifier: Apache-2.0
#include "xds/server.h"

#include <openssl/sha.h>

#include <algorithm>

#include "envoy/service/discovery/v3/discovery.pb.h"

namespace xds {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

// Bounds on what one client may make this server remember.
constexpr size_t kMaxTypes = 32;
constexpr size_t kMaxNames = 200'000;

std::shared_ptr<const Resource> Resource::make(std::string name, std::string body) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest);
  std::string version = base::to_hex({reinterpret_cast<const char*>(digest), 8});
  return std::make_shared<const Resource>(Resource{std::move(name), std::move(version), std::move(body)});
}

static base::Error refused(std::string message) {
  return {.kind = base::ErrorKind::Invalid, .message = std::move(message)};
}

base::Result<void> ServerSession::receive(std::string_view request) {
  return variant_ == Variant::Delta ? receive_delta(request) : receive_sotw(request);
}

// The first request names the node; later ones may leave it out but not change it.
base::Result<void> ServerSession::take_node(const envoy::config::core::v3::Node& node) {
  if (!known()) {
    if (node.id().empty()) return std::unexpected(refused("the first request carries no node id"));
    if (on_node) TRY(on_node(node));
    node_ = node;
  } else if (!node.id().empty() && node.id() != node_.id()) {
    return std::unexpected(refused("the node id changed within one stream"));
  }
  return {};
}

ServerSession::Type& ServerSession::find_type(std::string_view url) {
  auto it = types_.find(url);
  if (it == types_.end()) it = types_.emplace(std::string(url), Type()).first;
  return it->second;
}

std::string ServerSession::next_nonce() { return std::to_string(++nonces_); }

void ServerSession::acknowledge(Type& type, std::string_view url, const std::string& nonce,
                                const google::rpc::Status* error) {
  if (error) {
    type.status.rejection = error->message();
    if (on_rejection) on_rejection(url, error->message());
  } else if (!nonce.empty()) {
    type.status.acked = nonce;
    if (nonce == type.status.sent) type.status.rejection.clear();
  }
}

base::Result<void> ServerSession::receive_sotw(std::string_view bytes) {
  DiscoveryRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return std::unexpected(refused("not a DiscoveryRequest"));
  TRY(take_node(request.node()));
  if (request.type_url().empty()) return std::unexpected(refused("type_url is empty"));
  if (types_.size() >= kMaxTypes && !types_.contains(request.type_url()))
    return std::unexpected(refused("too many types"));
  if (static_cast<size_t>(request.resource_names_size()) > kMaxNames)
    return std::unexpected(refused("too many resource names"));

  Type& type = find_type(request.type_url());
  // An answer to something older than the last response says nothing any more.
  bool fresh = !type.asked || request.response_nonce().empty();
  if (!fresh && request.response_nonce() != type.status.sent) return {};
  if (!request.response_nonce().empty() && type.asked)
    acknowledge(type, request.type_url(), request.response_nonce(),
                request.has_error_detail() ? &request.error_detail() : nullptr);

  Names names(request.resource_names().begin(), request.resource_names().end());
  Subscription wanted;
  // Naming nothing means everything, but only for a client that never named anything.
  wanted.wildcard = names.erase("*") > 0 || (names.empty() && (fresh || type.wanted.wildcard));
  bool more = fresh || (wanted.wildcard && !type.wanted.wildcard) ||
              !std::includes(type.wanted.names.begin(), type.wanted.names.end(), names.begin(), names.end());
  wanted.names = std::move(names);
  type.wanted = std::move(wanted);
  type.asked = true;
  if (more) send_type(request.type_url(), type, Extent::Whole, {});
  return {};
}

base::Result<void> ServerSession::receive_delta(std::string_view bytes) {
  DeltaDiscoveryRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return std::unexpected(refused("not a DeltaDiscoveryRequest"));
  TRY(take_node(request.node()));
  if (request.type_url().empty()) return std::unexpected(refused("type_url is empty"));
  if (types_.size() >= kMaxTypes && !types_.contains(request.type_url()))
    return std::unexpected(refused("too many types"));

  Type& type = find_type(request.type_url());
  bool first = !type.asked;
  if (first) {
    for (const auto& [name, version] : request.initial_resource_versions()) type.brought[name] = version;
    type.wanted.wildcard = request.resource_names_subscribe().empty();
    type.asked = true;
  }
  if (!request.response_nonce().empty())
    acknowledge(type, request.type_url(), request.response_nonce(),
                request.has_error_detail() ? &request.error_detail() : nullptr);

  Names anew;
  bool wider = false;
  for (const std::string& name : request.resource_names_subscribe()) {
    if (name == "*") {
      wider |= !type.wanted.wildcard;
      type.wanted.wildcard = true;
    } else {
      type.wanted.names.insert(name);
      // Within the first request the client still holds what it says it holds.
      if (!first || !type.brought.contains(name)) anew.insert(name);
    }
  }
  for (const std::string& name : request.resource_names_unsubscribe()) {
    if (name == "*") {
      type.wanted.wildcard = false;
    } else {
      type.wanted.names.erase(name);
    }
  }
  if (type.wanted.names.size() > kMaxNames) return std::unexpected(refused("too many resource names"));
  if (first || wider || !anew.empty())
    send_type(request.type_url(), type, first ? Extent::Whole : Extent::Changes, anew);
  return {};
}

bool ServerSession::send_type(std::string_view url, Type& type, Extent extent, const Names& anew) {
  auto now = source_.resources(node_, url, type.wanted);
  if (extent == Extent::Changes && anew.empty() && now == type.told) return false;
  return variant_ == Variant::Delta ? send_delta(url, type, std::move(now), extent, anew)
                                    : send_sotw(url, type, std::move(now), extent);
}

static void pack(const Resource& resource, std::string_view url, google::protobuf::Any& any) {
  any.set_type_url(std::string(url));
  any.set_value(resource.body);
}

// The version that the client has, as far as this stream told it.
static std::string_view version_in(const Resources* told, std::string_view name) {
  if (!told) return {};
  auto it = told->find(name);
  return it == told->end() ? std::string_view() : std::string_view(it->second->version);
}

// Clusters and listeners are told as a whole, because what is left out is
// removed; of the other types only what changed needs to be said.
bool ServerSession::send_sotw(std::string_view url, Type& type, std::shared_ptr<const Resources> now, Extent extent) {
  bool whole_type = url == type::kCluster || url == type::kListener;
  std::vector<const Resource*> changed;
  for (const auto& [name, resource] : *now)
    if (version_in(type.told.get(), name) != resource->version) changed.push_back(resource.get());
  bool removed = type.told && std::any_of(type.told->begin(), type.told->end(),
                                          [&](const auto& held) { return !now->contains(held.first); });
  type.told = now;
  type.status.resources = now->size();
  if (extent == Extent::Changes && changed.empty() && !(removed && whole_type)) return false;
  if (url == type::kCluster)
    for (const Resource* resource : changed) changed_clusters_.insert(resource->name);

  DiscoveryResponse response;
  response.set_type_url(std::string(url));
  response.set_nonce(next_nonce());
  response.set_version_info(response.nonce());
  if (whole_type || extent == Extent::Whole) {
    for (const auto& [name, resource] : *now) pack(*resource, url, *response.add_resources());
  } else {
    for (const Resource* resource : changed) pack(*resource, url, *response.add_resources());
  }
  type.status.sent = response.nonce();
  if (on_sent) on_sent(url);
  send_(response.SerializeAsString());
  return true;
}

bool ServerSession::send_delta(std::string_view url, Type& type, std::shared_ptr<const Resources> now, Extent extent,
                               const Names& anew) {
  DeltaDiscoveryResponse response;
  for (const auto& [name, resource] : *now) {
    std::string_view held = version_in(type.told.get(), name);
    if (auto it = type.brought.find(name); it != type.brought.end()) held = it->second;
    if (held == resource->version && !anew.contains(name)) continue;
    if (url == type::kCluster && held != resource->version) changed_clusters_.insert(name);
    auto& out = *response.add_resources();
    out.set_name(name);
    out.set_version(resource->version);
    pack(*resource, url, *out.mutable_resource());
  }
  // What the client holds, or names now, and is not there. It drops what it unsubscribed from by itself.
  Names gone;
  auto drop = [&](const std::string& name) {
    if (!now->contains(name) && (type.wanted.wildcard || type.wanted.names.contains(name))) gone.insert(name);
  };
  if (type.told)
    for (const auto& [name, resource] : *type.told) drop(name);
  for (const auto& [name, version] : type.brought) drop(name);
  for (const std::string& name : anew) drop(name);
  for (const std::string& name : gone) response.add_removed_resources(name);
  type.brought.clear();
  type.status.resources = now->size();
  type.told = std::move(now);

  if (gone.empty() && response.resources_size() == 0 && extent == Extent::Changes) return false;
  response.set_type_url(std::string(url));
  response.set_nonce(next_nonce());
  response.set_system_version_info(response.nonce());
  type.status.sent = response.nonce();
  if (on_sent) on_sent(url);
  send_(response.SerializeAsString());
  return true;
}

void ServerSession::push(std::span<const std::string_view> only) {
  constexpr std::string_view kOrder[] = {type::kCluster, type::kEndpoint, type::kListener, type::kRoute};
  auto included = [&](std::string_view url) {
    return only.empty() || std::find(only.begin(), only.end(), url) != only.end();
  };
  changed_clusters_.clear();
  bool listeners = false;
  auto send_one = [&](std::string_view url) {
    auto it = types_.find(url);
    if (it == types_.end() || !it->second.asked) return;
    Type& type = it->second;
    // A client that replaces a cluster or a listener waits for its endpoints or
    // routes again, although they did not change.
    bool forced = (url == type::kEndpoint && !changed_clusters_.empty()) || (url == type::kRoute && listeners);
    if (!included(url) && !forced) return;
    Names anew;
    if (forced && variant_ == Variant::Delta)
      for (const std::string& name : type.wanted.names)
        if (url == type::kRoute || changed_clusters_.contains(name)) anew.insert(name);
    bool whole = forced && variant_ == Variant::StateOfTheWorld;
    bool sent = send_type(url, type, whole ? Extent::Whole : Extent::Changes, anew);
    if (url == type::kListener) listeners = sent;
  };
  for (std::string_view url : kOrder) send_one(url);
  for (auto& [url, type] : types_)
    if (std::find(std::begin(kOrder), std::end(kOrder), url) == std::end(kOrder)) send_one(url);
}

ServerSession::Status ServerSession::status(std::string_view url) const {
  auto it = types_.find(url);
  return it == types_.end() ? Status{} : it->second.status;
}

bool ServerSession::wants(std::string_view url, std::string_view name) const {
  auto it = types_.find(url);
  return it != types_.end() && (it->second.wanted.wildcard || it->second.wanted.names.contains(std::string(name)));
}

std::vector<std::string> ServerSession::types() const {
  std::vector<std::string> out;
  for (const auto& [url, type] : types_)
    if (type.asked) out.push_back(url);
  return out;
}

}  // namespace xds
