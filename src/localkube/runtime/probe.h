// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/runtime/sandbox.h"

namespace localkube {

// What a probe or a lifecycle hook does, once. The error says what was wrong,
// in the words of a kubelet: "HTTP probe failed with statuscode: 500".
struct ActionOrder {
  base::Json action;  // {httpGet | tcpSocket | exec | grpc | sleep: ...}
  base::Json container;
  std::chrono::milliseconds timeout{1000};
};
net::Task<base::Result<void>> act(Node& node, std::shared_ptr<Sandbox> sandbox, ActionOrder order);

// Repeats one probe of a running container and tells when its verdict changes.
//
// Until the first success it tries at once and then in quick succession, so
// that a pod is ready as soon as its program is; failures count only once a
// period, so thresholds mean what they say.
class Prober {
 public:
  enum class Kind { Startup, Liveness, Readiness };
  // On the loop. `changed`: succeeded (true) or failed `failureThreshold` times in a row.
  struct Calls {
    std::function<void(bool good)> changed;
    std::function<void(const std::string& why)> failed;  // each failure that counts
  };
  Prober(Node& node, std::shared_ptr<Sandbox> sandbox, Kind kind, const base::Json& container, Calls calls);
  ~Prober();  // it stops
  Prober(const Prober&) = delete;

 private:
  struct State;
  static net::Task<void> run(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace localkube
