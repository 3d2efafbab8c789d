// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/environment.h"
#include "http/client.h"
#include "http/server.h"

namespace agent {

// The ports that Kubernetes and Prometheus ask, beside the admin port:
//   15021  /healthz/ready
//   15020  the same; /app-health/CONTAINER/{livez,readyz,startupz} asks the
//          application in Kubernetes' place (its own port takes mTLS only);
//          /stats/prometheus joins the proxy's metrics with the application's
//   15090  /stats/prometheus, the proxy's alone
class Status {
 public:
  struct Hooks {
    std::function<bool()> ready;
    std::function<net::Task<std::string>()> metrics;  // the proxy's, as Prometheus text
  };
  struct Ports {
    uint16_t health = 15021;
    uint16_t agent = 15020;
    uint16_t metrics = 15090;
  };
  Status(net::Loop& loop, const Environment& environment, Hooks hooks);

  base::Result<void> listen(const Ports& ports);

 private:
  net::Task<void> answer(std::shared_ptr<http::Exchange> exchange);
  net::Task<void> probe(std::shared_ptr<http::Exchange> exchange);
  net::Task<void> merge(std::shared_ptr<http::Exchange> exchange);

  net::Loop& loop_;
  const Environment& environment_;  // the process's
  Hooks hooks_;
  http::Server server_;
};

}  // namespace agent
