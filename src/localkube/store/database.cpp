// SPDX-License-Identifier: Apache-2.0
#include "localkube/store/database.h"

#include <sqlite3.h>

#include <cstdlib>

#include "base/log.h"
#include "localkube/process/program.h"

namespace localkube {

// Writes nothing to a file that was set up before, as its disk may be full: the
// lock is exclusive from the beginning, or there would be a file of shared memory
// too, and the mode of vacuuming, which is written whenever it is set, is set once.
static int set_up(sqlite3* handle) {
  int vacuum = 0;
  auto read = [](void* out, int, char** values, char**) {
    *static_cast<int*>(out) = values[0] ? std::atoi(values[0]) : 0;
    return 0;
  };
  constexpr int kIncremental = 2;
  int code = sqlite3_exec(handle, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=FULL;", nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) code = sqlite3_exec(handle, "PRAGMA auto_vacuum", read, &vacuum, nullptr);
  if (code == SQLITE_OK && vacuum != kIncremental)
    code = sqlite3_exec(handle, "PRAGMA auto_vacuum=INCREMENTAL", nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return code;
  return sqlite3_exec(handle,
                      "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=500; PRAGMA foreign_keys=OFF;"
                      "PRAGMA temp_store=MEMORY; BEGIN IMMEDIATE; COMMIT;",
                      nullptr, nullptr, nullptr);
}

base::Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  auto failed = [&](const char* doing) {
    std::string why = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    sqlite3_close(handle);
    const int primary = code & 0xff;
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
      return base::fail(base::ErrorKind::Invalid, damaged(path, why));
    std::string message = std::string(doing) + " " + path + ": " + why;
    if (primary == SQLITE_FULL || primary == SQLITE_IOERR)
      return base::fail(base::ErrorKind::Exhausted, message + "; is the disk full?");
    return base::fail(base::ErrorKind::Unavailable, std::move(message));
  };
  if (code != SQLITE_OK) return failed("open the store");
  sqlite3_busy_timeout(handle, 0);
  code = set_up(handle);
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) return failed("another process holds the store");
  if (code != SQLITE_OK) return failed("set up the store");
  return std::unique_ptr<Database>(new Database(handle, path));
}

Database::~Database() { sqlite3_close(handle_); }

std::string damaged(const std::string& path, std::string_view why) {
  return "the store " + path + " is damaged (" + std::string(why) +
         "): put a copy of it in its place, or start anew with `seine down --purge`, which deletes all objects";
}

void end_of_damaged(const std::string& path, std::string_view why) {
  base::log::critical("{}", damaged(path, why));
  spdlog::default_logger()->flush();
  std::_Exit(kHopeless);
}

void Database::die(std::string_view doing) const {
  const int code = sqlite3_errcode(handle_) & 0xff;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) end_of_damaged(path_, sqlite3_errmsg(handle_));
  base::log::critical("store: {}: {}; stopping, for nothing more can be made durable", doing, sqlite3_errmsg(handle_));
  spdlog::default_logger()->flush();
  std::abort();
}

static std::unexpected<base::Error> disk_full() {
  return base::fail(base::ErrorKind::Exhausted, "the disk is full: nothing more can be stored");
}

base::Result<void> Database::execute(const char* sql) {
  int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_FULL) return disk_full();
  if (code != SQLITE_OK) die(sql);
  return {};
}

void Database::roll_back() {
  if (!sqlite3_get_autocommit(handle_) && sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK)
    die("ROLLBACK");
}

void Database::give_space_back() {
  if (!execute("PRAGMA incremental_vacuum")) roll_back();
  int code = sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK && code != SQLITE_FULL) die("checkpoint");
}

Database::Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  if (sqlite3_prepare_v3(database.handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement_, nullptr) != SQLITE_OK)
    database.die(sql);
}

Database::Statement::~Statement() { sqlite3_finalize(statement_); }

base::Result<void> Database::Statement::run(std::initializer_list<Value> values) {
  int code = step(values, [](const Row&) {});
  if (code == SQLITE_FULL) return disk_full();
  if (code != SQLITE_DONE) database_.die(sqlite3_sql(statement_));
  return {};
}

void Database::Statement::each(std::initializer_list<Value> values, const std::function<void(const Row&)>& call) {
  if (step(values, call) != SQLITE_DONE) database_.die(sqlite3_sql(statement_));
}

int Database::Statement::step(std::initializer_list<Value> values, const std::function<void(const Row&)>& call) {
  int column = 0;
  for (const Value& value : values) {
    ++column;
    int code = SQLITE_OK;
    if (auto* number = std::get_if<int64_t>(&value)) {
      code = sqlite3_bind_int64(statement_, column, *number);
    } else if (auto* text = std::get_if<std::string_view>(&value)) {
      code = sqlite3_bind_text64(statement_, column, text->data() ? text->data() : "", text->size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(statement_, column);
    }
    if (code != SQLITE_OK) database_.die(sqlite3_sql(statement_));
  }
  int code;
  while ((code = sqlite3_step(statement_)) == SQLITE_ROW) call(Row(statement_));
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  return code;
}

int64_t Database::Row::number(int column) const { return sqlite3_column_int64(statement_, column); }
std::string_view Database::Row::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_, column);
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}
bool Database::Row::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

}  // namespace localkube
