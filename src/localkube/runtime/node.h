// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/events.h"
#include "localkube/network/pod_network.h"
#include "localkube/process/cgroups.h"
#include "localkube/process/children.h"
#include "localkube/runtime/images.h"
#include "localkube/runtime/volumes.h"

namespace localkube {

// What all pods of this machine share. Owned by serve and outlives them.
struct Node {
  net::Loop& loop;
  Api& api;
  Children& children;
  PodNetwork& network;
  EventRecorder& events;
  Images images;
  Cgroups cgroups;
  IssueToken issue_token;
  std::string epoch;                  // of the pid namespace, see process/keep.cpp
  std::vector<std::string> programs;  // Seine's own, on the host
  std::string name = "seine";
  std::string ip = kGatewayAddress;
  int64_t milli_cpus = 0;
  int64_t bytes = 0;  // of memory
};

}  // namespace localkube
