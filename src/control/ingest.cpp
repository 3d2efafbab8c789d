// SPDX-License-Identifier: Apache-2.0
#include "control/ingest.h"

namespace control {

Ingest::Ingest(net::Loop& loop, Publish publish)
    : loop_(loop), publish_(std::move(publish)), timer_(loop, [this] { build(); }) {}

void Ingest::put(const objects::Object& object) { note(inputs_.put(object)); }

void Ingest::erase(const objects::Ref& ref) { note(inputs_.erase(ref)); }

void Ingest::begin() {
  if (begun_) return;
  begun_ = true;
  note(mesh::Scope::Everything);
}

void Ingest::note(mesh::Scope scope) {
  pending_ = std::max(pending_, scope);
  if (!begun_ || scheduled_ || pending_ == mesh::Scope::Nothing) return;
  scheduled_ = true;
  auto earliest = last_build_ + kQuiet;
  timer_.arm(std::max(earliest - loop_.now(), net::Clock::duration::zero()));
}

void Ingest::build() {
  scheduled_ = false;
  last_build_ = loop_.now();
  mesh::Scope scope = std::exchange(pending_, mesh::Scope::Nothing);
  snapshot_ = mesh::Snapshot::build(inputs_, snapshot_.get());
  publish_(snapshot_, scope);
}

}  // namespace control
