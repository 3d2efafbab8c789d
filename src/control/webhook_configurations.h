// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "kube/client.h"

namespace control {

// Keeps the cluster's webhook configurations of this revision (by label
// istio.io/rev) able to reach this control plane: the caBundle of every webhook
// that points to its Service, and, once a test shows that denials arrive, the
// failurePolicy Fail of the validators, which are installed with Ignore.
class WebhookConfigurations {
 public:
  struct Service {
    std::string ns;        // "istio-system"
    std::string revision;  // "default"
    std::string word;      // what only the API server is told: validators are called at /validate/WORD
  };
  WebhookConfigurations(kube::Client& api, Service service, std::string root_pem);
  ~WebhookConfigurations();
  WebhookConfigurations(const WebhookConfigurations&) = delete;

  // RFC 6902: what must change in one configuration; an empty array: nothing.
  enum class Denials { NotSeen, Arrive };
  static objects::Json patch(const objects::Object& configuration, const Service& service, std::string_view root_pem,
                             Denials denials);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace control
