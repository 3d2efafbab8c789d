// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/rest/table.h"
#include "localkube/api/selectors.h"

namespace localkube {

namespace {

constexpr size_t kMostWaiting = 20'000;  // lines for a client that does not read; then the watch ends
constexpr std::chrono::seconds kBookmarkPause{60};
constexpr std::chrono::seconds kLongest{3600};

// One watch on its way to a client. Lines are made when changes come, and
// written by the request's coroutine.
struct Watching {
  Target target;
  Shape shape;
  RowObject carried;
  LabelSelector labels;
  FieldSelector fields;
  bool defined = false;  // the column definitions were sent
  net::Queue<std::string> lines;
  Store::Handle subscription;

  bool selects(const Json* object) const {
    return object && (target.ns.empty() || base::text(*object, "metadata", "namespace") == target.ns) &&
           labels.matches(*object) && fields.matches(*object);
  }

  void send(const char* type, const Json& stored) {
    if (lines.closed()) return;
    if (lines.size() > kMostWaiting) return lines.close();
    Json object = Registry::shown(*target.row, target.version, stored);
    if (shape == Shape::Table) {
      Json metadata = {{"resourceVersion", string_at(object, "metadata", "resourceVersion")}};
      object = table_of(*target.row, target.version, {object}, std::move(metadata), carried);
      if (defined) object["columnDefinitions"] = nullptr;
      defined = true;
    } else if (shape == Shape::Metadata) {
      object = metadata_only(object);
    }
    lines.push("{\"type\":\"" + std::string(type) + "\",\"object\":" + dump(object) + "}\n");
  }

  // A change as this selection sees it: what leaves it is deleted for it.
  void on(const Event& event) {
    bool gone = event.type == Event::Type::Deleted;
    bool before = selects(event.before.get());
    bool now = !gone && selects(event.object.get());
    if (now) {
      send(before ? "MODIFIED" : "ADDED", *event.object);
    } else if (before) {
      Json last = *event.before;
      last["metadata"]["resourceVersion"] = std::to_string(event.revision);
      send("DELETED", last);
    }
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
    lines.push("{\"type\":\"BOOKMARK\",\"object\":" + dump(object) + "}\n");
  }
};

std::string error_line(const Refusal& refusal) {
  return "{\"type\":\"ERROR\",\"object\":" + dump(status_of(refusal)) + "}\n";
}

// What there is to send first: all objects, or the changes since a version.
void begin(Store& store, Watching& watching, std::optional<int64_t> since) {
  const std::string table = watching.target.row->stored_in();
  if (!since || *since == 0) {
    store.each(table, watching.target.ns, [&](const std::string&, const std::string&, const Record& record) {
      if (watching.selects(record.object.get())) watching.send("ADDED", *record.object);
      return true;
    });
    return;
  }
  auto changes = store.changes(table, *since);
  if (!changes) {
    watching.lines.push(error_line(
        gone("too old resource version: " + std::to_string(*since) + " (" + std::to_string(store.oldest()) + ")")));
    watching.lines.close();
    return;
  }
  for (const Event& event : *changes) watching.on(event);
}

Refusal no_initial_events() {
  Problems problems;
  problems.forbidden("sendInitialEvents",
                     "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
  return invalid({"meta.k8s.io", "v1", "ListOptions"}, "", problems);
}

Answer<std::shared_ptr<Watching>> prepare(const RestRequest& request) {
  if (http::query_parameter(request.query, "sendInitialEvents")) return std::unexpected(no_initial_events());
  auto watching = std::make_shared<Watching>();
  watching->target = request.target;
  watching->shape = request.shape;
  std::string told = request.text("includeObject");
  watching->carried = told == "None" ? RowObject::None : told == "Object" ? RowObject::Object : RowObject::Metadata;
  watching->labels = TRY(LabelSelector::parse(request.text("labelSelector")));
  watching->fields = TRY(FieldSelector::parse(request.text("fieldSelector"), *request.target.row));
  return watching;
}

}  // namespace

net::Task<void> serve_watch(Services& services, RestRequest request) {
  std::shared_ptr<http::Exchange> exchange = request.exchange;
  auto prepared = prepare(request);
  auto seconds = request.number("timeoutSeconds");
  std::string version = request.text("resourceVersion");
  auto since = base::parse_number<int64_t>(version);
  if (prepared && !version.empty() && !since)
    prepared = std::unexpected(bad_request("resourceVersion: Invalid value: " + in_quotes(version) +
                                           ": strconv.ParseUint: parsing " + in_quotes(version) + ": invalid syntax"));
  if (prepared && !seconds) prepared = std::unexpected(std::move(seconds.error()));
  if (!prepared) {
    respond_refusal(*exchange, prepared.error());
    co_return;
  }
  std::shared_ptr<Watching> watching = std::move(*prepared);
  Store& store = services.registry.store();
  begin(store, *watching, since);
  std::weak_ptr<Watching> weak = watching;
  watching->subscription = store.subscribe(watching->target.row->stored_in(), [weak](const Event& event) {
    if (auto held = weak.lock()) held->on(event);
  });
  net::Queue<std::string> lines = watching->lines;
  exchange->on_closed([lines] { lines.close(); });

  bool bookmarks = request.flag("allowWatchBookmarks");
  std::chrono::seconds most = kLongest;
  if (*seconds) most = std::min(most, std::chrono::seconds(**seconds));
  net::Timer end(services.loop, [weak, bookmarks, &store] {
    auto held = weak.lock();
    if (!held) return;
    if (bookmarks && !held->lines.closed()) held->bookmark(store.revision());
    held->lines.close();
  });
  end.arm(most);
  net::Timer* again = nullptr;
  net::Timer tick(services.loop, [weak, &store, &again] {
    auto held = weak.lock();
    if (!held || held->lines.closed()) return;
    held->bookmark(store.revision());
    again->arm(kBookmarkPause);
  });
  again = &tick;
  if (bookmarks) tick.arm(kBookmarkPause);

  http::ResponseHead head;
  head.headers.set("content-type", "application/json");
  head.headers.set("cache-control", "no-cache, private");
  exchange->start(std::move(head));
  for (;;) {
    std::optional<std::string> line = co_await lines.next();
    if (!line) break;
    while (line->size() < 64u << 10 && lines.size() > 0) {  // what waits goes in one write
      std::optional<std::string> more = co_await lines.next();
      if (!more) break;
      *line += *more;
    }
    auto written = co_await exchange->write(std::move(*line));
    if (!written) co_return;
  }
  exchange->finish();
}

}  // namespace localkube
