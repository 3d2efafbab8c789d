// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "cli/commands.h"
#include "kube/client.h"

namespace cli {

// A cluster of this machine that nobody answers for is not started: the error says how that is done.
base::Error with_remedy(base::Error error, const std::string& host);

// A loop and a client on it: what a command that talks to the cluster needs.
struct Cluster {
  net::Loop loop;
  std::unique_ptr<kube::Client> client;

  explicit Cluster(const RootFlags& flags)
      : client(must(kube::Client::make(loop, must(kube::find_access(flags.kubeconfig, flags.context))))) {}
  explicit Cluster(kube::Access access) : client(must(kube::Client::make(loop, std::move(access)))) {}

  // Runs the loop until the task is done.
  template <typename T>
  base::Result<T> wait(net::Task<base::Result<T>> task) {
    auto result = net::run_to_end(loop, std::move(task));
    if (!result) return std::unexpected(with_remedy(std::move(result.error()), client->access().host));
    return result;
  }
  template <typename T>
  T wait(net::Task<T> task) {
    return net::run_to_end(loop, std::move(task));
  }
};

}  // namespace cli
