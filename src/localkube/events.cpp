// SPDX-License-Identifier: Apache-2.0
#include "localkube/events.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "localkube/api/metadata.h"
#include "localkube/fields.h"

namespace localkube {

static const objects::Resource kEvents{"", "v1", "events"};
static constexpr size_t kMostKnown = 4096;

EventRecorder::EventRecorder(net::Loop& loop, Api& api)
    : loop_(loop), api_(api), timer_(loop, [this] {
        if (!writing_) net::spawn(write(this));
      }) {}

void EventRecorder::record(const objects::Object& about, Event event) {
  base::Json involved = {{"apiVersion", about.api_version()},
                         {"kind", about.kind_name()},
                         {"name", about.name()},
                         {"uid", about.uid()},
                         {"resourceVersion", about.resource_version()}};
  if (!about.ns().empty()) involved["namespace"] = about.ns();
  if (!event.field_path.empty()) involved["fieldPath"] = event.field_path;
  auto now = std::chrono::system_clock::now().time_since_epoch();
  last_stamp_ = std::max(last_stamp_ + 1, int64_t{std::chrono::nanoseconds(now).count()});
  pending_.push_back(
      {.involved = std::move(involved), .event = std::move(event), .at = now_text(), .stamp = last_stamp_});
  if (!timer_.armed()) timer_.arm(std::chrono::milliseconds(150));
}

net::Task<void> EventRecorder::write(EventRecorder* self) {
  self->writing_ = true;
  while (!self->pending_.empty()) {
    Pending next = std::move(self->pending_.front());
    self->pending_.pop_front();
    const Event& event = next.event;
    std::string ns = string_at(next.involved, "namespace");
    if (ns.empty()) ns = "default";
    std::string key =
        string_at(next.involved, "uid") + "/" + event.field_path + "/" + event.reason + "/" + event.message;
    if (self->known_.size() > kMostKnown) self->known_.clear();
    Known& known = self->known_[key];
    if (++known.count > 1) {
      base::Json patch = {{"count", known.count}, {"lastTimestamp", next.at}};
      std::string name = known.name;
      auto patched = co_await self->api_.patch(kEvents, ns, name, PatchType::Merge, std::move(patch));
      if (patched) continue;
      self->known_[key] = {.count = 1};
    }
    char stamp[20];
    std::snprintf(stamp, sizeof stamp, ".%llx", static_cast<unsigned long long>(next.stamp));
    std::string name = string_at(next.involved, "name") + stamp;
    self->known_[key].name = name;
    base::Json document = {{"apiVersion", "v1"},
                           {"kind", "Event"},
                           {"metadata", {{"name", name}, {"namespace", ns}}},
                           {"involvedObject", next.involved},
                           {"reason", event.reason},
                           {"message", event.message},
                           {"type", event.type == Type::Warning ? "Warning" : "Normal"},
                           {"count", 1},
                           {"firstTimestamp", next.at},
                           {"lastTimestamp", next.at},
                           {"source", {{"component", event.component}}},
                           {"reportingComponent", event.component},
                           {"reportingInstance", ""}};
    auto created = co_await self->api_.create(kEvents, objects::Object(std::move(document)));
    (void)created;  // its namespace may be going
  }
  self->writing_ = false;
}

}  // namespace localkube
