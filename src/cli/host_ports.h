// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "objects/object.h"

namespace cli {

// Where a Service of the one-machine cluster is reached from this machine, as
// the annotation localkube.seine.dev/host-ports tells it:
// "80=127.0.0.1:8080,node/30080=127.0.0.1:30081"; node ports stand there if they moved.
struct HostPort {
  bool node_port = false;
  std::string port;     // the Service's, or the node port
  std::string address;  // "127.0.0.1:8080"
};
std::vector<HostPort> host_ports_of(const objects::Object& service);

// Those that are at another number than their own, in words.
std::vector<std::string> moved_ports_of(const objects::Object& service);

}  // namespace cli
