// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace agent {

// What Istio's pages type in a proxy's container, "pilot-agent" and these words:
//
//   request METHOD PATH [--debug-port N]   asks the proxy's admin port
//   wait [--timeoutSeconds N] [--url URL]  until the proxy is ready
//   version
struct PilotAgentOrder {
  enum class Verb { Request, Wait, Version };
  Verb verb = Verb::Version;
  std::string method = "GET";
  std::string path = "/";  // with a leading slash
  std::string host = "127.0.0.1";
  uint16_t port = 15000;
  int timeout_seconds = 60;
};
base::Result<PilotAgentOrder> pilot_agent_order(const std::vector<std::string>& words);

// Does it; the exit code. What the proxy answers goes to standard output.
int run_pilot_agent(const std::vector<std::string>& words);

}  // namespace agent
