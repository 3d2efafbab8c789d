// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// Writes for each Service with a selector who stands behind it: EndpointSlices,
// and Endpoints for those who still read these.
class EndpointSlices {
 public:
  explicit EndpointSlices(Cluster& cluster);

 private:
  static net::Task<bool> reconcile(EndpointSlices* self, std::string key);
  static net::Task<bool> write_slices(EndpointSlices* self, objects::Object service, std::vector<base::Json> wanted);
  static net::Task<bool> write_endpoints(EndpointSlices* self, objects::Object service, base::Json subsets);
  void on_pod(const Change& change);

  Cluster& cluster_;
  WorkQueue queue_;
  std::vector<Api::Handle> watches_;
  std::map<std::string, std::set<std::string>> behind_;  // pod key -> Services that it stood behind
};

// The contents of a Service's slices, {endpoints, ports} each: pods whose ports
// resolve alike share one, at most a hundred a slice. Pure, for tests.
std::vector<base::Json> slices_of(const objects::Object& service, const std::vector<objects::Object>& pods);
// The same as the subsets of Endpoints: one for each list of ports, its addresses in order.
base::Json subsets_of(const std::vector<base::Json>& slices);

}  // namespace localkube
