// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/event_expiry.h"

#include <ctime>

#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

constexpr std::chrono::minutes kPause{5};
constexpr int64_t kLifetime = 3600;

int64_t last_seen(const Json& event) {
  int64_t last = 0;
  for (std::string_view text :
       {base::text(event, "lastTimestamp"), base::text(event, "eventTime"),
        base::text(event, "series", "lastObservedTime"), base::text(event, "metadata", "creationTimestamp")})
    last = std::max(last, parse_time(text).value_or(0));
  return last;
}

net::Task<void> drop(Store& store, Key key, int64_t revision) {
  auto gone = co_await store.remove(std::move(key), revision);
  (void)gone;  // it was seen again just now, or goes at the next sweep
}

}  // namespace

EventExpiry::EventExpiry(net::Loop& loop, Store& store)
    : store_(store), timer_(loop, [this] {
        sweep(std::time(nullptr));
        timer_.arm(kPause);
      }) {
  timer_.arm(kPause);
}

void EventExpiry::sweep(int64_t now) {
  std::vector<std::pair<Key, int64_t>> old;
  store_.each("events", "", [&](const std::string& ns, const std::string& name, const Record& record) {
    if (last_seen(*record.object) + kLifetime < now) old.push_back({{"events", ns, name}, record.revision});
    return true;
  });
  for (auto& [key, revision] : old) net::spawn(drop(store_, std::move(key), revision));
}

}  // namespace localkube
