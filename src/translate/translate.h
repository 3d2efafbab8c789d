// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mesh/view.h"

namespace google::protobuf {
class Message;
}

namespace translate {

// One xDS resource and the objects that caused it.
struct Resource {
  std::string name;
  std::shared_ptr<const google::protobuf::Message> message;
  std::vector<objects::Ref> provenance;
};

// The wire form, by which two messages can be compared: equal messages give
// equal bytes (maps in the order of their keys).
std::string serialized(const google::protobuf::Message& message);

// Pure functions: equal Views give equal resources, in equal order (by name).

// envoy.config.listener.v3.Listener
std::vector<Resource> listeners(const mesh::View& view);
// envoy.config.cluster.v3.Cluster
std::vector<Resource> clusters(const mesh::View& view);
// envoy.config.route.v3.RouteConfiguration; every name gets one, an empty one
// where nothing is known of it, since a listener would wait for it forever.
std::vector<Resource> routes(const mesh::View& view, std::span<const std::string> names);
// envoy.config.endpoint.v3.ClusterLoadAssignment; every name gets one, likewise.
std::vector<Resource> endpoints(const mesh::View& view, std::span<const std::string> cluster_names);
// envoy.extensions.transport_sockets.tls.v3.Secret for
// credentials of Gateways and DestinationRules ("kubernetes://name"); unknown ones are left out.
std::vector<Resource> secrets(const mesh::View& view, std::span<const std::string> names);

// What the listeners and clusters of this View will ask for next.
std::vector<std::string> route_names(const mesh::View& view);
std::vector<std::string> endpoint_names(const mesh::View& view);

// The wire spelling of cluster names, in one place.
std::string cluster_name(std::string_view direction, int port, std::string_view subset, std::string_view hostname);
std::string cluster_sni(int port, std::string_view subset, std::string_view hostname);

}  // namespace translate
