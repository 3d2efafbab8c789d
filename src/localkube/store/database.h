// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

namespace localkube {

// A SQLite file as the store wants it: opening may fail, and a full disk makes
// a transaction fail (ErrorKind::Exhausted; it is to be rolled back, and nothing
// of it lasts). Anything else is fail-stop (the message goes to the log, then the
// process aborts), because a write of which nobody knows whether it is durable
// must be neither acknowledged nor denied. Of a damaged file the process says so
// and exits with kHopeless: starting again cannot help.
class Database {
 public:
  using Value = std::variant<std::nullptr_t, int64_t, std::string_view>;

  // Exhausted: no room on the disk, or it does not write; Invalid: the file is damaged, or no store at all.
  static base::Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;

  // A row while it is read; columns count from 0. Text lives until the next row.
  class Row {
   public:
    int64_t number(int column) const;
    std::string_view text(int column) const;
    bool is_null(int column) const;

   private:
    friend class Database;
    explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
    sqlite3_stmt* statement_;
  };

  // A statement that is prepared once and run often.
  class Statement {
   public:
    Statement(Database& database, std::string_view sql);
    ~Statement();
    Statement(const Statement&) = delete;
    base::Result<void> run(std::initializer_list<Value> values);
    void each(std::initializer_list<Value> values, const std::function<void(const Row&)>& call);

   private:
    int step(std::initializer_list<Value> values, const std::function<void(const Row&)>& call);

    Database& database_;
    sqlite3_stmt* statement_ = nullptr;
  };

  base::Result<void> execute(const char* sql);
  void roll_back();  // the transaction that is open, if one still is
  // Returns the space of free pages and of the log to the disk, as far as there is room to do so.
  void give_space_back();

 private:
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  [[noreturn]] void die(std::string_view doing) const;
  sqlite3* handle_;
  const std::string path_;
};

[[noreturn]] void end_of_damaged(const std::string& path, std::string_view why);
std::string damaged(const std::string& path, std::string_view why);  // the sentence, with the remedy

}  // namespace localkube
