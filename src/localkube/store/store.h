// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "localkube/store/database.h"
#include "localkube/store/reserve.h"
#include "net/loop.h"
#include "net/task.h"

namespace localkube {

using base::Json;

// Where an object lies: table "apps/deployments" (core: "pods"), namespace
// (empty: none) and name.
struct Key {
  std::string table;
  std::string ns;
  std::string name;
};

// One object as it is stored. `text` is the document as JSON.
struct Record {
  std::shared_ptr<const Json> object;
  std::shared_ptr<const std::string> text;
  int64_t revision = 0;
};

// One change, as watches see it. Deleted carries the last state with the
// deletion's revision; `before` is null for Added.
struct Event {
  enum class Type { Added, Modified, Deleted };
  Type type;
  int64_t revision = 0;
  std::shared_ptr<const Json> object;
  std::shared_ptr<const Json> before;
  // What watches made of it, by kind of encoding: all of one kind share one text.
  using Encodings = std::map<std::string, std::shared_ptr<const std::string>, std::less<>>;
  std::shared_ptr<Encodings> encodings = std::make_shared<Encodings>();
};

// All objects of the cluster: an index in memory over a SQLite file that has
// every acknowledged write (WAL, synchronous=FULL). The writes of one turn of
// the loop are one transaction; their tasks end after its commit, and only then
// do reads and subscribers see them. Revisions only rise and are not given out
// twice, whatever the machine does. A disk that fails ends the process: nothing
// that was promised may be lost silently. On a full disk writes are refused and
// reads go on; to delete there is a reserve, and the history is forgotten.
//
// Lives on one loop. Writers check against latest(), which knows the writes that
// wait for their commit.
class Store {
 public:
  struct Options {
    size_t history = 10'000;           // changes kept for resuming watches...
    size_t history_bytes = 32u << 20;  // ...and their size
    size_t reserve = 8u << 20;         // of the disk, for deletions when it is full
  };
  static base::Result<std::unique_ptr<Store>> open(net::Loop& loop, const std::string& path, Options options);
  ~Store();

  // Reads: the last acknowledged state.
  const Record* find(std::string_view table, std::string_view ns, std::string_view name) const;
  // In order of namespace and name; `ns` empty means all.
  void each(std::string_view table, std::string_view ns,
            const std::function<bool(const std::string& ns, const std::string& name, const Record&)>& call) const;
  size_t count(std::string_view table) const;
  int64_t revision() const { return committed_; }  // of the last acknowledged write
  std::string trouble() const;                     // what keeps it from taking writes; empty: nothing
  bool empty() const { return tables_.empty() && pending_.empty(); }

  // Writes. `expected` is the revision that latest() has for the key (0: none):
  // anything else is ErrorKind::Conflict at once, and nothing is written.
  // ErrorKind::Exhausted: the disk is full, and nothing was written.
  std::optional<Record> latest(const Key& key) const;
  // The stored document gets the new revision as metadata.resourceVersion.
  net::Task<base::Result<Record>> put(Key key, int64_t expected, Json object);
  net::Task<base::Result<Record>> remove(Key key, int64_t expected);  // gives the last state

  void flush();  // commits what waits now, without waiting for the end of the turn

  // Changes of a table after `after`, oldest first; nullopt when that is no
  // longer known (410 Gone). About `most` bytes of documents, but one change at
  // least where there is any: the last one's revision is where to go on.
  std::optional<std::vector<Event>> changes(std::string_view table, int64_t after, size_t most = SIZE_MAX) const;
  int64_t oldest() const { return floor_; }  // the revision from which changes() can start

  // Called at each commit with the table's changes, in order, until the handle
  // is destroyed (also from within the call).
  using Handle = std::shared_ptr<void>;
  [[nodiscard]] Handle subscribe(std::string table, std::function<void(const Event&)> call);
  // Called after each commit that changed anything.
  [[nodiscard]] Handle subscribe_all(std::function<void(const std::string& table, const Event&)> call);

 private:
  struct Change;  // one write that waits for its commit
  struct Subscriber;
  struct ByNsAndName {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      int order = std::string_view(a.first).compare(std::string_view(b.first));
      return order != 0 ? order < 0 : std::string_view(a.second) < std::string_view(b.second);
    }
  };
  using Table = std::map<std::pair<std::string, std::string>, Record, ByNsAndName>;
  // One line of the history: the state before the change; the state after it is
  // the next line's for the same key, or the object's own.
  struct Past {
    int64_t revision;
    Key key;
    Event::Type type;
    std::shared_ptr<const std::string> after;   // null for Deleted
    std::shared_ptr<const std::string> before;  // null for Added
    size_t bytes() const { return before ? before->size() : 0; }
  };

  using Changes = std::vector<std::unique_ptr<Change>>;

  Store(net::Loop& loop, const std::string& path, std::unique_ptr<Database> database, Options options);
  void load();
  void load_history();
  std::optional<Record> enqueue(Key key, int64_t expected, std::optional<Json> object, Change*& change);
  base::Result<void> store(const Changes& changes, int64_t floor);
  Changes store_the_urgent(Changes& changes);
  int64_t floor_after(const Changes& changes) const;
  void forget(int64_t floor);
  void publish(const Change& change);

  net::Loop& loop_;
  const std::string path_;
  std::unique_ptr<Database> database_;
  const Options options_;
  Reserve reserve_;
  base::StringMap<Table> tables_;
  std::deque<Past> history_;
  size_t history_bytes_ = 0;
  int64_t floor_ = 0;
  int64_t committed_ = 0;
  int64_t given_ = 0;  // the newest revision handed to a write
  Changes pending_;
  std::map<std::string, Change*> newest_pending_;  // by key text
  std::shared_ptr<bool> scheduled_;                // set while a commit waits for the end of the turn
  std::vector<std::weak_ptr<Subscriber>> subscribers_;
};

}  // namespace localkube
