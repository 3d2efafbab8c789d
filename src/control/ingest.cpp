// SPDX-License-Identifier: Apache-2.0
#include "control/ingest.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "config/specs.h"

namespace control {

using namespace std::chrono_literals;

Ingest::Ingest(net::Loop& loop, Publish publish) : publish_(std::move(publish)), timer_(loop, [this] { build(); }) {}
Ingest::~Ingest() = default;

void Ingest::put(const objects::Object& object) {
  mesh::Scope scope = inputs_.put(object);
  const auto* entry = scope == mesh::Scope::Nothing ? nullptr : inputs_.find(object.ref());
  if (entry && !entry->error.empty())
    base::log::warn("{} is left out: {}", base::printable(object.ref().text()), base::printable(entry->error));
  note(scope);
}

void Ingest::erase(const objects::Ref& ref) { note(inputs_.erase(ref)); }

void Ingest::begin() {
  if (begun_) return;
  begun_ = true;
  note(mesh::Scope::Everything);
}

void Ingest::note(mesh::Scope scope) {
  ++events_;
  if (scope == mesh::Scope::Nothing) return;
  auto now = net::Clock::now();
  if (pending_ == mesh::Scope::Nothing) pending_since_ = now;
  pending_ = std::max(pending_, scope);
  if (begun_ && !timer_.armed()) timer_.arm(std::max(quiet_until_ - now, net::Clock::duration::zero()));
}

// Twice the time that a build and its consequences took stays free for other
// work, within 5 and 100 ms; after that the next change goes at once again.
void Ingest::build() {
  auto began = net::Clock::now();
  auto next = mesh::Snapshot::build(inputs_, snapshot_.get());
  // An endpoint that brings a new identity, or one of a headless Service, changes clusters or listeners as well.
  if (snapshot_ && next->configuration() != snapshot_->configuration()) pending_ = mesh::Scope::Everything;
  snapshot_ = std::move(next);
  Change change{snapshot_, std::exchange(pending_, mesh::Scope::Nothing), pending_since_};
  publish_(change);
  auto ended = net::Clock::now();
  quiet_until_ = ended + std::clamp<net::Clock::duration>(2 * (ended - began), 5ms, 100ms);
}

}  // namespace control
