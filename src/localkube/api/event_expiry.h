// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/store/store.h"
#include "net/loop.h"

namespace localkube {

// Events are news, not state: those that were last seen more than an hour ago
// (Kubernetes' own limit) are taken out of the store every few minutes.
class EventExpiry {
 public:
  EventExpiry(net::Loop& loop, Store& store);

  // Removes what is too old at this time, in seconds since 1970.
  void sweep(int64_t now);

 private:
  Store& store_;
  net::Timer timer_;
};

}  // namespace localkube
