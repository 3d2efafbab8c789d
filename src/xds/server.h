// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/status.pb.h"

namespace xds {

namespace type {
inline constexpr std::string_view kCluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
inline constexpr std::string_view kEndpoint = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
inline constexpr std::string_view kListener = "type.googleapis.com/envoy.config.listener.v3.Listener";
inline constexpr std::string_view kRoute = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
inline constexpr std::string_view kSecret = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
inline constexpr std::string_view kVirtualHost = "type.googleapis.com/envoy.config.route.v3.VirtualHost";
}  // namespace type

// One resource as it goes on the wire. Shared between the clients it suits: it
// is serialized once, and its version is a hash of its bytes, so equal content
// has an equal version also after a restart of the server.
struct Resource {
  std::string name;
  std::string version;
  std::string body;  // the message inside the Any

  static std::shared_ptr<const Resource> make(std::string name, std::string body);
};
using Resources = std::map<std::string, std::shared_ptr<const Resource>, std::less<>>;

// What one client has asked for of one type.
struct Subscription {
  bool wildcard = false;
  std::set<std::string, std::less<>> names;
};

// Says what a client should have. Asked on each request and each push.
class Source {
 public:
  // By name; for named subscriptions nothing but those names. Never nullptr. The same pointer as last time says at no
  // cost that nothing changed; many clients may share one. `node` is the client's.
  virtual std::shared_ptr<const Resources> resources(const envoy::config::core::v3::Node& node,
                                                     std::string_view type_url, const Subscription& wanted) = 0;

 protected:
  ~Source() = default;
};

enum class Variant : uint8_t { StateOfTheWorld, Delta };

// The server's end of one aggregated discovery stream (xDS protocol, "xDS REST
// and gRPC protocol" of Envoy's documentation), without I/O: requests go in,
// responses come out through `send`, both serialized.
//
// Content decides: what a client has already is not sent again, unless it asks
// anew. A rejected update (NACK) is not repeated until its content changes.
class ServerSession {
 public:
  using Send = std::function<void(std::string)>;

  struct Status {           // of one type, for /debug/syncz
    std::string sent;       // nonce of the last response
    std::string acked;      // nonce of the last one that was accepted
    std::string rejection;  // why the last one was not
    size_t resources = 0;   // that the client holds
  };

  ServerSession(Variant variant, Source& source, Send send)
      : variant_(variant), source_(source), send_(std::move(send)) {}

  // One serialized (Delta)DiscoveryRequest. An error ends the stream.
  base::Result<void> receive(std::string_view request);

  // Sends what changed of the types that the client asked for, clusters before
  // their endpoints, listeners before their routes; all of them by default.
  void push(std::span<const std::string_view> types = {});

  Variant variant() const { return variant_; }
  const envoy::config::core::v3::Node& node() const { return node_; }
  bool known() const { return !node_.id().empty(); }
  Status status(std::string_view type_url) const;
  std::vector<std::string> types() const;  // asked for so far
  bool wants(std::string_view type_url, std::string_view name) const;

  // Called once, with the first request and before it is answered; an error ends the stream.
  std::function<base::Result<void>(const envoy::config::core::v3::Node&)> on_node;
  // Called on each NACK with type, message.
  std::function<void(std::string_view, std::string_view)> on_rejection;
  // Called with the type of each response that is sent.
  std::function<void(std::string_view)> on_sent;

 private:
  using Names = std::set<std::string, std::less<>>;
  struct Type {
    Subscription wanted;
    std::shared_ptr<const Resources> told;  // what the client was told last; nullptr: nothing yet
    std::map<std::string, std::string, std::less<>>
        brought;  // name -> version, from before this stream; until the first answer
    Status status;
    bool asked = false;
  };
  enum class Extent : uint8_t { Changes, Whole };

  base::Result<void> receive_sotw(std::string_view request);
  base::Result<void> receive_delta(std::string_view request);
  base::Result<void> take_node(const envoy::config::core::v3::Node& node);
  void acknowledge(Type& type, std::string_view url, const std::string& nonce, const google::rpc::Status* error);
  Type& find_type(std::string_view url);
  // Whole: answers even if there is nothing to say. `anew`: names to say again although the client was told.
  bool send_type(std::string_view url, Type& type, Extent extent, const Names& anew);
  bool send_sotw(std::string_view url, Type& type, std::shared_ptr<const Resources> now, Extent extent);
  bool send_delta(std::string_view url, Type& type, std::shared_ptr<const Resources> now, Extent extent,
                  const Names& anew);
  std::string next_nonce();

  const Variant variant_;
  Source& source_;  // outlives the session
  Send send_;
  envoy::config::core::v3::Node node_;
  std::map<std::string, Type, std::less<>> types_;
  Names changed_clusters_;  // by the push that runs
  uint64_t nonces_ = 0;
};

}  // namespace xds
