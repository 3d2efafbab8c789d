// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "mesh/inputs.h"
#include "mesh/snapshot.h"
#include "net/loop.h"

namespace control {

// Joins what the sources deliver into Snapshots. The first change after a quiet
// moment is published at once; while changes keep coming they are gathered, the
// longer the more work the last ones made. Lives on the control plane's loop.
class Ingest {
 public:
  struct Change {
    std::shared_ptr<const mesh::Snapshot> snapshot;
    mesh::Scope scope = mesh::Scope::Everything;
    net::Clock::time_point since;  // when the first of the gathered changes came
  };
  using Publish = std::function<void(const Change&)>;
  Ingest(net::Loop& loop, Publish publish);
  ~Ingest();
  Ingest(const Ingest&) = delete;

  void put(const objects::Object& object);
  void erase(const objects::Ref& ref);
  // The sources have told everything there is: nothing is published before.
  void begin();

  bool begun() const { return begun_; }
  uint64_t events() const { return events_; }
  const mesh::Inputs& inputs() const { return inputs_; }
  const std::shared_ptr<const mesh::Snapshot>& snapshot() const { return snapshot_; }  // null before begin()

 private:
  void note(mesh::Scope scope);
  void build();

  Publish publish_;
  mesh::Inputs inputs_;
  std::shared_ptr<const mesh::Snapshot> snapshot_;
  mesh::Scope pending_ = mesh::Scope::Nothing;
  net::Clock::time_point pending_since_{};
  net::Clock::time_point quiet_until_{};  // nothing is built before
  bool begun_ = false;
  uint64_t events_ = 0;
  net::Timer timer_;
};

}  // namespace control
