// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>

#include "kube/watcher.h"

namespace control {

// Keeps ConfigMap istio-ca-root-cert, which every sidecar mounts, right in
// every namespace: made where a namespace appears, put right where somebody
// changes it, made again where somebody deletes it.
class RootCertificate {
 public:
  RootCertificate(kube::Client& api, std::string root_pem);
  ~RootCertificate();
  RootCertificate(const RootCertificate&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace control
