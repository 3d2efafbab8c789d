// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/controllers/cluster.h"

namespace localkube {

// Resources that objects of namespaces, or of the cluster, may lie in: the
// built-in ones and those of the CRDs there are.
std::vector<objects::Resource> namespaced_resources(const Api& api);
std::vector<objects::Resource> all_resources(const Api& api);

// What each namespace has from its start, and its orderly end: a namespace that
// is to go is emptied, pods with their grace, and then let go.
class Namespaces {
 public:
  Namespaces(Cluster& cluster, std::string ca_certificate);

 private:
  static net::Task<bool> reconcile(Namespaces* self, std::string name);
  static net::Task<bool> furnish(Namespaces* self, std::string name);
  static net::Task<bool> empty_it(Namespaces* self, objects::Object ns);
  static net::Task<void> tell(Namespaces* self, objects::Object ns);

  Cluster& cluster_;
  const std::string ca_certificate_;
  WorkQueue queue_;
  std::vector<Api::Handle> watches_;
};

}  // namespace localkube
