// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/error.h"
#include "control/options.h"
#include "net/loop.h"

namespace control {

// The whole control plane: sources, snapshots, discovery, certificates,
// webhooks and their ports. Lives on one loop.
class ControlPlane {
 public:
  ControlPlane(net::Loop& loop, Options options);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;

  // Opens the ports and begins to read. Done once everything is started, which
  // may be before the first configuration is there: see /ready.
  net::Task<base::Result<void>> start();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace control
