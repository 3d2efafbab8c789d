// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "mesh/inputs.h"
#include "mesh/snapshot.h"
#include "net/loop.h"

namespace control {

// Joins what the sources deliver into Snapshots. The first change after a quiet
// moment is published at the end of the loop's turn; changes that follow within
// kQuiet are published together. Lives on the control plane's loop.
class Ingest {
 public:
  static constexpr std::chrono::milliseconds kQuiet{20};

  using Publish = std::function<void(std::shared_ptr<const mesh::Snapshot>, mesh::Scope)>;
  Ingest(net::Loop& loop, Publish publish);

  void put(const objects::Object& object);
  void erase(const objects::Ref& ref);
  // The sources have told everything there is: nothing is published before.
  void begin();

  bool begun() const { return begun_; }
  const mesh::Inputs& inputs() const { return inputs_; }
  const std::shared_ptr<const mesh::Snapshot>& snapshot() const { return snapshot_; }  // null before begin()

 private:
  void note(mesh::Scope scope);
  void build();

  net::Loop& loop_;
  Publish publish_;
  mesh::Inputs inputs_;
  std::shared_ptr<const mesh::Snapshot> snapshot_;
  mesh::Scope pending_ = mesh::Scope::Nothing;
  bool begun_ = false;
  bool scheduled_ = false;
  net::Clock::time_point last_build_{};
  net::Timer timer_;
};

}  // namespace control
