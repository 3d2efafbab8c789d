// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <deque>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/table.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

constexpr size_t kPiece = 32u << 10;   // written at a time, so that a connection holds little of its own
constexpr size_t kPortion = 1u << 20;  // of the changes since a version, read at a time
constexpr size_t kLineCost = 64;       // what a waiting line takes beside its text
constexpr std::chrono::seconds kBookmarkPause{60};
constexpr std::chrono::seconds kLongest{3600};

using Line = std::shared_ptr<const std::string>;

// What waits for a client: texts that it shares with other watches, `most`
// bytes of them. A client that is further behind has its watch ended, and goes
// on from the last version it got, as with any API server.
class Waiting {
 public:
  explicit Waiting(size_t most) : most_(most) {}

  bool empty() const { return lines_.empty(); }
  bool closed() const { return closed_; }
  const Line& front() const { return lines_.front(); }

  void push(Line line) {
    if (closed_) return;
    size_t cost = line->size() + kLineCost;
    if (!lines_.empty() && bytes_ + cost > most_) {
      lines_.clear();
      return close();
    }
    bytes_ += cost;
    lines_.push_back(std::move(line));
    more.notify();
  }
  Line take() {
    Line line = std::move(lines_.front());
    lines_.pop_front();
    bytes_ -= line->size() + kLineCost;
    return line;
  }
  void close() {
    closed_ = true;
    more.notify();
  }

  net::Signal more;

 private:
  const size_t most_;
  size_t bytes_ = 0;
  bool closed_ = false;
  std::deque<Line> lines_;
};

Line line_of(std::string_view type, const Json& object) {
  std::string text = "{\"type\":\"";
  text += type;
  text += "\",\"object\":" + dump(object) + "}\n";
  return std::make_shared<const std::string>(std::move(text));
}

// One watch on its way to a client. Lines are made when changes come, and
// written by the request's coroutine, which owns this.
struct Watching {
  Target target;
  Shape shape;
  RowObject carried;
  LabelSelector labels;
  FieldSelector fields;
  bool defined = false;  // the column definitions were sent
  Waiting waiting;
  Store::Handle subscription;

  explicit Watching(size_t most) : waiting(most) {}

  bool selects(const Json* object) const {
    return object && (target.ns.empty() || base::text(*object, "metadata", "namespace") == target.ns) &&
           labels.matches(*object) && fields.matches(*object);
  }

  Line encoded(std::string_view type, const Json& stored) const {
    Json object = Registry::shown(*target.row, target.version, stored);
    if (shape == Shape::Table) {
      Json metadata = {{"resourceVersion", string_at(object, "metadata", "resourceVersion")}};
      object = table_of(*target.row, target.version, {object}, std::move(metadata), carried);
      if (defined) object["columnDefinitions"] = nullptr;
    } else if (shape == Shape::Metadata) {
      object = metadata_only(object);
    }
    return line_of(type, object);
  }

  // The event's text in this watch's encoding, made by the first that asks.
  Line shared(const Event& event, std::string_view type) {
    std::string encoding = target.version + "/" + std::string(type) + "/" + std::to_string(static_cast<int>(shape)) +
                           std::to_string(static_cast<int>(carried)) + (defined ? "+" : "-");
    Line& line = (*event.encodings)[encoding];
    if (!line && type != "DELETED") {
      line = encoded(type, *event.object);
    } else if (!line) {
      Json last = *event.before;
      last["metadata"]["resourceVersion"] = std::to_string(event.revision);
      line = encoded(type, last);
    }
    defined = true;
    return line;
  }

  // A change as this selection sees it: what leaves it is deleted for it, and
  // what it never held is null.
  Line seen(const Event& event) {
    bool gone = event.type == Event::Type::Deleted;
    bool before = selects(event.before.get());
    bool now = !gone && selects(event.object.get());
    if (now) return shared(event, before ? "MODIFIED" : "ADDED");
    return before ? shared(event, "DELETED") : nullptr;
  }

  void bookmark(int64_t revision) {
    Json object = {{"kind", target.row->kind},
                   {"apiVersion", target.row->object_kind(target.version).api_version()},
                   {"metadata", {{"resourceVersion", std::to_string(revision)}, {"creationTimestamp", nullptr}}}};
    if (shape == Shape::Table)
      object = {{"kind", "Table"},
                {"apiVersion", "meta.k8s.io/v1"},
                {"metadata", object["metadata"]},
                {"columnDefinitions", nullptr},
                {"rows", Json::array()}};
    if (shape == Shape::Metadata) object = metadata_only(object);
    waiting.push(line_of("BOOKMARK", object));
  }
};

Refusal no_initial_events() {
  Problems problems;
  problems.forbidden("sendInitialEvents",
                     "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
  return invalid({"meta.k8s.io", "v1", "ListOptions"}, "", problems);
}

Answer<std::shared_ptr<Watching>> prepare(const RestRequest& request, size_t most) {
  if (http::query_parameter(request.query, "sendInitialEvents")) return std::unexpected(no_initial_events());
  auto watching = std::make_shared<Watching>(most);
  watching->target = request.target;
  watching->shape = request.shape;
  std::string told = request.text("includeObject");
  watching->carried = told == "None" ? RowObject::None : told == "Object" ? RowObject::Object : RowObject::Metadata;
  watching->labels = TRY(LabelSelector::parse(request.text("labelSelector")));
  watching->fields = TRY(FieldSelector::parse(request.text("fieldSelector"), *request.target.row));
  return watching;
}

Line too_old(const Store& store, int64_t since) {
  return line_of("ERROR", status_of(gone("too old resource version: " + std::to_string(since) + " (" +
                                         std::to_string(store.oldest()) + ")")));
}

void subscribe(Store& store, const std::shared_ptr<Watching>& watching) {
  std::weak_ptr<Watching> weak = watching;
  watching->subscription = store.subscribe(watching->target.row->stored_in(), [weak](const Event& event) {
    auto held = weak.lock();
    if (!held || held->waiting.closed()) return;
    if (Line line = held->seen(event)) held->waiting.push(std::move(line));
  });
}

net::Task<bool> write_line(std::shared_ptr<http::Exchange> exchange, Line line) {
  for (size_t at = 0; at < line->size(); at += kPiece) {
    auto written = co_await exchange->write(line->substr(at, kPiece));
    if (!written) co_return false;
  }
  co_return true;
}

// The objects there are, each made into a line when its turn comes. Changes
// from here on wait behind them.
net::Task<bool> write_all(Store& store, std::shared_ptr<http::Exchange> exchange, std::shared_ptr<Watching> watching) {
  std::deque<std::shared_ptr<const Json>> objects;
  store.each(watching->target.row->stored_in(), watching->target.ns,
             [&](const std::string&, const std::string&, const Record& record) {
               if (watching->selects(record.object.get())) objects.push_back(record.object);
               return true;
             });
  subscribe(store, watching);
  while (!objects.empty() && !watching->waiting.closed()) {
    Line line = watching->encoded("ADDED", *objects.front());
    watching->defined = true;
    objects.pop_front();
    bool written = co_await write_line(exchange, std::move(line));
    if (!written) co_return false;
  }
  co_return objects.empty();
}

// The changes since a version, a portion at a time from the store's history.
net::Task<bool> write_changes(Store& store, int64_t since, std::shared_ptr<http::Exchange> exchange,
                              std::shared_ptr<Watching> watching) {
  for (;;) {
    auto changes = store.changes(watching->target.row->stored_in(), since, kPortion);
    if (!changes) {
      bool told = co_await write_line(exchange, too_old(store, since));
      watching->waiting.close();
      co_return told;
    }
    if (changes->empty()) break;
    since = changes->back().revision;
    for (const Event& event : *changes) {
      if (watching->waiting.closed()) co_return false;
      Line line = watching->seen(event);
      if (!line) continue;
      bool written = co_await write_line(exchange, std::move(line));
      if (!written) co_return false;
    }
  }
  subscribe(store, watching);
  co_return true;
}

// What waits, as it comes, until the watch ends. Small lines go together.
net::Task<bool> write_waiting(std::shared_ptr<http::Exchange> exchange, std::shared_ptr<Watching> watching) {
  Waiting& waiting = watching->waiting;
  for (;;) {
    while (waiting.empty() && !waiting.closed()) co_await waiting.more.wait();
    if (waiting.empty()) co_return true;
    std::string small;
    while (!waiting.empty() && small.size() + waiting.front()->size() <= kPiece) small += *waiting.take();
    Line line = small.empty() ? waiting.take() : std::make_shared<const std::string>(std::move(small));
    bool written = co_await write_line(exchange, std::move(line));
    if (!written) co_return false;
  }
}

}  // namespace

net::Task<void> serve_watch(Services& services, RestRequest request) {
  std::shared_ptr<http::Exchange> exchange = request.exchange;
  auto prepared = prepare(request, services.watch_bytes);
  auto seconds = request.number("timeoutSeconds");
  auto version = request.resource_version();
  if (prepared && !version) prepared = std::unexpected(std::move(version.error()));
  if (prepared && !seconds) prepared = std::unexpected(std::move(seconds.error()));
  if (!prepared) {
    respond_refusal(*exchange, prepared.error());
    co_return;
  }
  std::shared_ptr<Watching> watching = std::move(*prepared);
  std::optional<int64_t> since = *version;
  Store& store = services.registry.store();
  std::weak_ptr<Watching> weak = watching;
  exchange->on_closed([weak] {
    if (auto held = weak.lock()) held->waiting.close();
  });

  bool bookmarks = request.flag("allowWatchBookmarks");
  std::chrono::seconds most = kLongest;
  if (*seconds) most = std::min(most, std::chrono::seconds(**seconds));
  net::Timer end(services.loop, [weak, bookmarks, &store] {
    auto held = weak.lock();
    if (!held) return;
    if (bookmarks && held->subscription) held->bookmark(store.revision());
    held->waiting.close();
  });
  end.arm(most);
  net::Timer* again = nullptr;
  net::Timer tick(services.loop, [weak, &store, &again] {
    auto held = weak.lock();
    if (!held || held->waiting.closed()) return;
    if (held->subscription) held->bookmark(store.revision());
    again->arm(kBookmarkPause);
  });
  again = &tick;
  if (bookmarks) tick.arm(kBookmarkPause);

  http::ResponseHead head;
  head.headers.set("content-type", "application/json");
  head.headers.set("cache-control", "no-cache, private");
  exchange->start(std::move(head));
  bool written = false;
  if (!since || *since == 0)
    written = co_await write_all(store, exchange, watching);
  else
    written = co_await write_changes(store, *since, exchange, watching);
  if (written) written = co_await write_waiting(exchange, watching);
  if (written || watching->waiting.closed()) exchange->finish();
}

}  // namespace localkube
