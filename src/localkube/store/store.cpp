// SPDX-License-Identifier: Apache-2.0
#include "localkube/store/store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>

#include "base/log.h"

namespace localkube {

namespace {

constexpr const char* kReserve = ".reserve";
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS objects(kind TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    " revision INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY(kind, ns, name));"
    "CREATE TABLE IF NOT EXISTS history(revision INTEGER PRIMARY KEY, kind TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, type INTEGER NOT NULL, before TEXT);";

std::string text_of(const Key& key) { return key.table + '\0' + key.ns + '\0' + key.name; }

std::shared_ptr<const Json> parsed(const std::shared_ptr<const std::string>& text, int64_t revision = 0) {
  if (!text) return nullptr;
  Json json = Json::parse(*text, nullptr, false);
  if (json.is_discarded()) end_of_damaged("store.db", "a stored document is not JSON");
  if (revision) json["metadata"]["resourceVersion"] = std::to_string(revision);
  return std::make_shared<const Json>(std::move(json));
}

std::unexpected<base::Error> changed_meanwhile() {
  return base::fail(base::ErrorKind::Conflict, "the object has been modified");
}

}  // namespace

struct Store::Change {
  Key key;
  Event::Type type;
  Record before;  // object null: there was none
  Record after;   // of a deletion: the last state with the new revision
  net::Oneshot<base::Result<void>> done;
};

struct Store::Subscriber {
  std::string table;  // empty: all
  std::function<void(const std::string&, const Event&)> call;
};

Store::Store(net::Loop& loop, const std::string& path, std::unique_ptr<Database> database, Options options)
    : loop_(loop),
      path_(path),
      database_(std::move(database)),
      options_(options),
      reserve_(path + kReserve, options.reserve) {}

Store::~Store() { flush(); }

std::string Store::trouble() const {
  if (::access(path_.c_str(), R_OK | W_OK) != 0) return base::system_error(path_, errno).message;
  struct statvfs disk{};
  if (::statvfs(path_.c_str(), &disk) == 0 && disk.f_bavail == 0) return "the disk of " + path_ + " is full";
  return {};
}

base::Result<std::unique_ptr<Store>> Store::open(net::Loop& loop, const std::string& path, Options options) {
  auto before = ::umask(077);
  auto database = Database::open(path);
  // To open needs no room, as a rule. Where it does, what is held for a full disk serves here too.
  if (!database && database.error().kind == base::ErrorKind::Exhausted && ::unlink((path + kReserve).c_str()) == 0)
    database = Database::open(path);
  ::umask(before);
  if (!database) return std::unexpected(std::move(database.error()));
  std::unique_ptr<Store> store(new Store(loop, path, std::move(*database), options));
  TRY(store->database_->execute(kSchema));
  store->load();
  store->load_history();
  return store;
}

void Store::load() {
  Database::Statement meta(*database_, "SELECT name, value FROM meta");
  meta.each({}, [&](const Database::Row& row) { (row.text(0) == "revision" ? committed_ : floor_) = row.number(1); });
  given_ = committed_;
  Database::Statement objects(*database_, "SELECT kind, ns, name, revision, document FROM objects");
  objects.each({}, [&](const Database::Row& row) {
    auto text = std::make_shared<const std::string>(row.text(4));
    tables_[std::string(row.text(0))].emplace(std::pair(std::string(row.text(1)), std::string(row.text(2))),
                                              Record{parsed(text), text, row.number(3)});
  });
}

void Store::load_history() {
  Database::Statement rows(*database_, "SELECT revision, kind, ns, name, type, before FROM history ORDER BY revision");
  std::map<std::string, size_t> last;  // of each key, the line whose state after is not known yet
  rows.each({}, [&](const Database::Row& row) {
    Past past{row.number(0),
              {std::string(row.text(1)), std::string(row.text(2)), std::string(row.text(3))},
              static_cast<Event::Type>(row.number(4)),
              nullptr,
              row.is_null(5) ? nullptr : std::make_shared<const std::string>(row.text(5))};
    std::string key = text_of(past.key);
    if (auto it = last.find(key); it != last.end()) history_[it->second].after = past.before;
    last[key] = history_.size();
    history_bytes_ += past.bytes();
    history_.push_back(std::move(past));
  });
  for (const auto& [key, at] : last) {
    Past& past = history_[at];
    if (past.type == Event::Type::Deleted) continue;
    if (const Record* record = find(past.key.table, past.key.ns, past.key.name)) past.after = record->text;
  }
}

const Record* Store::find(std::string_view table, std::string_view ns, std::string_view name) const {
  auto it = tables_.find(table);
  if (it == tables_.end()) return nullptr;
  auto at = it->second.find(std::pair(ns, name));
  return at == it->second.end() ? nullptr : &at->second;
}

void Store::each(std::string_view table, std::string_view ns,
                 const std::function<bool(const std::string& ns, const std::string& name, const Record&)>& call) const {
  auto it = tables_.find(table);
  if (it == tables_.end()) return;
  auto at = ns.empty() ? it->second.begin() : it->second.lower_bound(std::pair(ns, std::string_view()));
  for (; at != it->second.end(); ++at) {
    if (!ns.empty() && at->first.first != ns) return;
    if (!call(at->first.first, at->first.second, at->second)) return;
  }
}

size_t Store::count(std::string_view table) const {
  auto it = tables_.find(table);
  return it == tables_.end() ? 0 : it->second.size();
}

std::optional<Record> Store::latest(const Key& key) const {
  if (auto it = newest_pending_.find(text_of(key)); it != newest_pending_.end()) {
    if (it->second->type == Event::Type::Deleted) return std::nullopt;
    return it->second->after;
  }
  const Record* record = find(key.table, key.ns, key.name);
  return record ? std::optional(*record) : std::nullopt;
}

std::optional<Record> Store::enqueue(Key key, int64_t expected, std::optional<Json> object, Change*& change) {
  std::optional<Record> before = latest(key);
  if ((before ? before->revision : 0) != expected) return std::nullopt;
  auto next = std::make_unique<Change>();
  if (before) next->before = *before;
  next->type = !object ? Event::Type::Deleted : before ? Event::Type::Modified : Event::Type::Added;
  next->after.revision = ++given_;
  if (!object) object = *before->object;
  (*object)["metadata"]["resourceVersion"] = std::to_string(given_);
  next->after.text = std::make_shared<const std::string>(object->dump(-1, ' ', false, Json::error_handler_t::replace));
  next->after.object = std::make_shared<const Json>(std::move(*object));
  next->key = std::move(key);
  newest_pending_[text_of(next->key)] = next.get();
  change = next.get();
  pending_.push_back(std::move(next));
  if (!scheduled_) {
    scheduled_ = std::make_shared<bool>(true);
    loop_.at_end_of_turn([this, waiting = std::weak_ptr(scheduled_)] {
      if (!waiting.expired()) flush();
    });
  }
  return change->after;
}

net::Task<base::Result<Record>> Store::put(Key key, int64_t expected, Json object) {
  Change* change = nullptr;
  std::optional<Record> record = enqueue(std::move(key), expected, std::move(object), change);
  if (!record) co_return changed_meanwhile();
  net::Oneshot<base::Result<void>> done = change->done;
  base::Result<void> stored = co_await done.wait();
  if (!stored) co_return std::unexpected(std::move(stored.error()));
  co_return std::move(*record);
}

net::Task<base::Result<Record>> Store::remove(Key key, int64_t expected) {
  if (expected == 0) co_return changed_meanwhile();
  Change* change = nullptr;
  std::optional<Record> record = enqueue(std::move(key), expected, std::nullopt, change);
  if (!record) co_return changed_meanwhile();
  net::Oneshot<base::Result<void>> done = change->done;
  base::Result<void> stored = co_await done.wait();
  if (!stored) co_return std::unexpected(std::move(stored.error()));
  co_return std::move(*record);
}

void Store::flush() {
  scheduled_.reset();
  if (pending_.empty()) return;
  Changes changes = std::exchange(pending_, {}), refused;
  newest_pending_.clear();

  int64_t floor = floor_after(changes);
  base::Result<void> stored = store(changes, floor);
  if (!stored) {
    refused = store_the_urgent(changes);
  } else {
    forget(floor);
    reserve_.take();  // which a start on a full disk may not have had
  }
  for (const auto& change : changes) {
    if (change->after.revision > floor_) {
      history_.push_back({change->after.revision, change->key, change->type,
                          change->type == Event::Type::Deleted ? nullptr : change->after.text, change->before.text});
      history_bytes_ += history_.back().bytes();
    }
    Table& table = tables_[change->key.table];
    std::pair at(change->key.ns, change->key.name);
    if (change->type == Event::Type::Deleted)
      table.erase(at);
    else
      table[at] = change->after;
  }
  if (!changes.empty()) committed_ = changes.back()->after.revision;
  // Watches first, then the writers: who has its answer finds that everybody has been told.
  for (const auto& change : changes) publish(*change);
  for (const auto& change : changes) change->done.set({});
  for (const auto& change : refused) change->done.set(stored);
}

// One transaction; of the history what is not after `floor` goes.
base::Result<void> Store::store(const Changes& changes, int64_t floor) {
  auto written = [&]() -> base::Result<void> {
    TRY(database_->execute("BEGIN IMMEDIATE"));
    Database::Statement put(*database_, "INSERT OR REPLACE INTO objects VALUES(?,?,?,?,?)");
    Database::Statement drop(*database_, "DELETE FROM objects WHERE kind=? AND ns=? AND name=?");
    Database::Statement past(*database_, "INSERT INTO history VALUES(?,?,?,?,?,?)");
    Database::Statement forget(*database_, "DELETE FROM history WHERE revision <= ?");
    Database::Statement meta(*database_, "INSERT OR REPLACE INTO meta VALUES(?,?)");
    if (floor != floor_) {
      TRY(forget.run({floor}));
      TRY(meta.run({"floor", floor}));
    }
    for (const auto& change : changes) {
      const Key& key = change->key;
      if (change->type == Event::Type::Deleted)
        TRY(drop.run({key.table, key.ns, key.name}));
      else
        TRY(put.run({key.table, key.ns, key.name, change->after.revision, *change->after.text}));
      if (change->after.revision <= floor) continue;
      Database::Value before = nullptr;
      if (change->before.text) before = std::string_view(*change->before.text);
      TRY(past.run({change->after.revision, key.table, key.ns, key.name, static_cast<int64_t>(change->type), before}));
    }
    if (!changes.empty()) TRY(meta.run({"revision", changes.back()->after.revision}));
    return database_->execute("COMMIT");
  }();
  if (!written) database_->roll_back();
  return written;
}

// The disk is full: what makes room is stored, with the help of the reserve and
// without any history; the rest is given back. In `changes` stays what was stored.
Store::Changes Store::store_the_urgent(Changes& changes) {
  Changes refused, urgent;
  std::set<std::string> waiting;  // keys of which something was refused: what follows upon it cannot be
  for (auto& change : changes) {
    std::string key = text_of(change->key);
    const Json* metadata = base::find(*change->after.object, "metadata");
    bool goes = change->type == Event::Type::Deleted || (metadata && base::find(*metadata, "deletionTimestamp"));
    if (goes && !waiting.contains(key)) {
      urgent.push_back(std::move(change));
    } else {
      waiting.insert(std::move(key));
      refused.push_back(std::move(change));
    }
  }
  base::log::error("store: the disk is full: {} deletions find room in the reserve, {} writes are refused",
                   urgent.size(), refused.size());
  reserve_.release();
  database_->give_space_back();
  int64_t floor = urgent.empty() ? committed_ : urgent.back()->after.revision;
  if (store(urgent, floor)) {
    forget(floor);
  } else {
    std::move(urgent.begin(), urgent.end(), std::back_inserter(refused));
    urgent.clear();
  }
  database_->give_space_back();
  reserve_.take();
  changes = std::move(urgent);
  return refused;
}

// A tenth more than wanted is let grow, so that not every write prunes.
int64_t Store::floor_after(const Changes& changes) const {
  size_t count = history_.size() + changes.size(), bytes = history_bytes_;
  for (const auto& change : changes) bytes += change->before.text ? change->before.text->size() : 0;
  if (count <= options_.history + options_.history / 10 && bytes <= options_.history_bytes) return floor_;
  int64_t floor = floor_;
  auto over = [&] { return count > options_.history || bytes > options_.history_bytes; };
  for (auto at = history_.begin(); at != history_.end() && over(); ++at, --count) {
    floor = at->revision;
    bytes -= at->bytes();
  }
  for (auto at = changes.begin(); at != changes.end() && over(); ++at, --count) {
    floor = (*at)->after.revision;
    bytes -= (*at)->before.text ? (*at)->before.text->size() : 0;
  }
  return floor;
}

void Store::forget(int64_t floor) {
  floor_ = floor;
  while (!history_.empty() && history_.front().revision <= floor) {
    history_bytes_ -= history_.front().bytes();
    history_.pop_front();
  }
}

void Store::publish(const Change& change) {
  Event event{change.type, change.after.revision, change.after.object, change.before.object};
  auto now = subscribers_;  // a call may subscribe or let go
  for (const auto& weak : now)
    if (auto subscriber = weak.lock();
        subscriber && (subscriber->table.empty() || subscriber->table == change.key.table))
      subscriber->call(change.key.table, event);
  std::erase_if(subscribers_, [](const auto& weak) { return weak.expired(); });
}

std::optional<std::vector<Event>> Store::changes(std::string_view table, int64_t after, size_t most) const {
  if (after < floor_) return std::nullopt;
  auto at =
      std::partition_point(history_.begin(), history_.end(), [&](const Past& past) { return past.revision <= after; });
  std::vector<Event> events;
  size_t bytes = 0;
  for (; at != history_.end() && bytes < most; ++at) {
    if (at->key.table != table) continue;
    bytes += (at->before ? at->before->size() : 0) + (at->after ? at->after->size() : 0);
    bool gone = at->type == Event::Type::Deleted;
    events.push_back(
        {at->type, at->revision, gone ? parsed(at->before, at->revision) : parsed(at->after), parsed(at->before)});
  }
  return events;
}

Store::Handle Store::subscribe(std::string table, std::function<void(const Event&)> call) {
  auto subscriber = std::make_shared<Subscriber>(
      std::move(table), [call = std::move(call)](const std::string&, const Event& event) { call(event); });
  subscribers_.push_back(subscriber);
  return subscriber;
}

Store::Handle Store::subscribe_all(std::function<void(const std::string&, const Event&)> call) {
  auto subscriber = std::make_shared<Subscriber>(std::string(), std::move(call));
  subscribers_.push_back(subscriber);
  return subscriber;
}

}  // namespace localkube
