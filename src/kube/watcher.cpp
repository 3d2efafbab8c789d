// SPDX-License-Identifier: Apache-2.0
#include "kube/watcher.h"

#include <random>

#include "base/log.h"

namespace kube {

using base::ErrorKind;

struct Watcher::State {
  Client* client;  // the caller's; outlives the watcher
  Resource resource;
  Call call;
  std::string ns;
  ListOptions options;

  bool stopped = false;
  bool synced = false;
  std::string version;                  // where to resume; empty: list again
  std::map<std::string, Object> known;  // "ns/name" -> kind and metadata that name it, and its resourceVersion
  std::chrono::milliseconds delay{100};
  std::minstd_rand dice{std::random_device{}()};

  void set_synced();
  void tell(Event event, const Object& object);
  void take(List list);
  // False: the event says that the position is lost and the table must be listed again.
  bool take(Json event);
};

static std::string key_of(const Object& object) { return std::string(object.ns()) + "/" + std::string(object.name()); }

static Object outline(const Object& object) {
  Json out = {{"apiVersion", object.api_version()},
              {"kind", object.kind_name()},
              {"metadata", {{"name", object.name()}, {"resourceVersion", object.resource_version()}}}};
  if (!object.ns().empty()) out["metadata"]["namespace"] = object.ns();
  return Object(std::move(out));
}

void Watcher::State::tell(Event event, const Object& object) {
  if (event == Event::Deleted) {
    known.erase(key_of(object));
  } else {
    known[key_of(object)] = outline(object);
  }
  call(event, object);
}

void Watcher::State::take(List list) {
  std::map<std::string, Object> gone = known;
  for (const Object& object : list.items) {
    if (stopped) return;
    auto it = known.find(key_of(object));
    gone.erase(key_of(object));
    if (it == known.end()) {
      tell(Event::Added, object);
    } else if (it->second.resource_version() != object.resource_version()) {
      tell(Event::Modified, object);
    }
  }
  for (const auto& [key, object] : gone)
    if (!stopped) tell(Event::Deleted, object);
  version = list.resource_version;
  set_synced();
}

void Watcher::State::set_synced() {
  if (synced || stopped) return;
  synced = true;
  call(Event::Synced, Object());
}

bool Watcher::State::take(Json event) {
  std::string_view type = base::text(event, "type");
  auto it = event.find("object");
  if (it == event.end()) return false;
  Object object(std::move(*it));
  if (type == "ERROR") return false;
  version = object.resource_version();
  if (type == "ADDED") tell(known.contains(key_of(object)) ? Event::Modified : Event::Added, object);
  if (type == "MODIFIED") tell(Event::Modified, object);
  if (type == "DELETED") tell(Event::Deleted, object);
  return true;
}

// Reads one watch until it ends. An error means that something is wrong; a plain end is normal.
static net::Task<base::Result<void>> follow(std::shared_ptr<Watcher::State> state) {
  std::string path = path_of(state->resource, state->ns) +
                     "?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=" + state->version;
  if (!state->options.label_selector.empty())
    path += "&labelSelector=" + http::percent_encode(state->options.label_selector);
  if (!state->options.field_selector.empty())
    path += "&fieldSelector=" + http::percent_encode(state->options.field_selector);
  auto opened = co_await state->client->open(path);
  if (!opened) co_return std::unexpected(opened.error());
  std::unique_ptr<http::ClientStream> stream = std::move(*opened);
  auto head = co_await stream->response();
  if (!head) co_return std::unexpected(head.error());
  std::string buffer;
  while (!state->stopped) {
    auto piece = co_await stream->read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) break;
    buffer += **piece;
    if (head->status >= 300) continue;
    size_t begin = 0;
    for (size_t end; (end = buffer.find('\n', begin)) != buffer.npos; begin = end + 1) {
      auto event = base::parse_json(std::string_view(buffer).substr(begin, end - begin));
      if (!event) co_return std::unexpected(event.error());
      if (!state->take(std::move(*event))) {
        state->version.clear();
        co_return base::Result<void>();
      }
      if (state->stopped) co_return base::Result<void>();
    }
    buffer.erase(0, begin);
    state->delay = std::chrono::milliseconds(100);
  }
  if (head->status == 410) {
    state->version.clear();
    co_return base::Result<void>();
  }
  if (head->status >= 300) co_return std::unexpected(refusal(head->status, buffer));
  co_return base::Result<void>();
}

static net::Task<void> keep_informed(std::shared_ptr<Watcher::State> state) {
  while (!state->stopped) {
    base::Result<void> done;
    if (state->version.empty()) {
      auto list = co_await state->client->list(state->resource, state->ns, state->options);
      if (state->stopped) co_return;
      if (list) {
        state->take(std::move(*list));
        continue;
      }
      done = std::unexpected(list.error());
    } else {
      done = co_await follow(state);
      if (state->stopped) co_return;
    }
    if (done) continue;
    if (done.error().kind == ErrorKind::Exhausted) state->version.clear();
    if (done.error().kind == ErrorKind::NotFound) state->set_synced();  // a table that is not there yet is empty
    base::log::debug("watch {}: {}", state->resource.plural, base::printable(done.error().message));
    auto jitter = std::chrono::milliseconds(state->dice() % static_cast<unsigned>(state->delay.count() / 2 + 1));
    co_await net::sleep(state->client->loop(), state->delay + jitter);
    state->delay = std::min(state->delay * 2, std::chrono::milliseconds(10'000));
  }
}

Watcher::Watcher(Client& client, Resource resource, Call call, std::string ns, ListOptions options)
    : state_(std::make_shared<State>()) {
  state_->client = &client;
  state_->resource = std::move(resource);
  state_->call = std::move(call);
  state_->ns = std::move(ns);
  state_->options = std::move(options);
  net::spawn(keep_informed(state_));
}

Watcher::~Watcher() { state_->stopped = true; }

bool Watcher::synced() const { return state_->synced; }

}  // namespace kube
