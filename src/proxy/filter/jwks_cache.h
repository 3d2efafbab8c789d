// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>

#include "identity/jwks.h"
#include "net/loop.h"
#include "proxy/runtime/list.h"
#include "proxy/stream/side_call.h"

namespace proxy {

struct AwaitsKeys;

// Where a provider's keys are fetched from, compiled with its filter.
struct RemoteKeys {
  Slot cache = kNone;  // Worker::state
  std::shared_ptr<const SideTarget> target;
  std::string authority, path;
  std::chrono::milliseconds keep{600'000};
  std::chrono::milliseconds retry_after{1'000};  // in the background
  bool background = false;                       // fetch again before anybody has to wait
  Slot fetched = kNone, failed = kNone;          // Worker::count
};

// A stream that waits for keys; leaves the queue when it is destroyed.
struct KeysWaiter : Link<AwaitsKeys> {
  std::function<void()> ready;  // the fetch has ended, well or not
};

// One remote key set on one worker, whatever filters and listeners use it.
class JwksCache final : public Mortal {
 public:
  explicit JwksCache(Worker& worker) : worker_(worker), timer_(worker.loop(), [this] { refresh(); }) {}

  // The keys, or nullptr: none that are fresh. Valid until the loop's next turn.
  const identity::Jwks* keys(const RemoteKeys& source) const;
  // Fetches, unless that is under way, and tells the waiter from the loop.
  void wait(const RemoteKeys& source, KeysWaiter& waiter);

 private:
  void fetch(const RemoteKeys& source);
  void fetched(SideAnswer& answer);
  void refresh() {
    if (!call_.busy()) fetch(source_);
  }

  Worker& worker_;
  RemoteKeys source_;  // of the fetch under way, or the last
  SideCall call_{worker_};
  net::Timer timer_;  // for the next fetch in the background
  std::optional<identity::Jwks> keys_;
  net::Clock::time_point until_{};
  List<KeysWaiter, AwaitsKeys> waiters_;
};

}  // namespace proxy
