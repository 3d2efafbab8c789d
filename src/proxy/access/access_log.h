// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "proxy/route/match.h"
#include "proxy/route/metadata.h"
#include "telemetry/format.h"

namespace proxy {

// Which records a log takes; a tree of conditions.
struct LogFilter {
  enum class Kind : uint8_t {
    Always,
    Status,
    Duration,
    Flags,
    NotHealthCheck,
    Fraction,
    Header,
    And,
    Or,
    Never,
    Grpc,
    Metadata,
    LogType
  };
  enum class Compare : uint8_t { Equal, AtLeast, AtMost, NotEqual };
  Kind kind = Kind::Always;
  Compare compare = Compare::Equal;
  uint32_t number = 0;  // status, milliseconds, or per million
  uint32_t flags = 0;   // 0: any flag
  std::optional<HeaderMatch> header;
  std::vector<int> grpc_statuses;
  bool except = false;     // Grpc: those that are not in the list
  uint32_t log_types = 0;  // bit by telemetry::LogType
  std::shared_ptr<const MetadataMatch> metadata;
  bool if_missing = true;  // Metadata: what counts where there is none
  std::vector<LogFilter> parts;

  bool takes(const telemetry::Record& record) const;
};

// A file, or standard output, that all threads append whole lines to. Lines
// are gathered per thread; the lock is taken once a gathered block. A thread of
// the log's own writes them, from its first line on: a reader that stalls costs
// lines, never requests.
class LogFile {
 public:
  // "/dev/stdout" and "/dev/stderr" too. A FIFO that nobody reads yet is opened
  // once somebody does; its lines wait.
  static base::Result<std::shared_ptr<LogFile>> open(const std::string& path);
  ~LogFile();  // what is queued is written, for a second at most
  LogFile(const LogFile&) = delete;

  void write(std::string_view lines);  // never waits; drops what the queue has no room for
  base::Result<void> reopen();
  const std::string& path() const { return path_; }
  uint64_t dropped() const;  // lines

 private:
  struct Writer;
  explicit LogFile(std::string path);
  const std::string path_;
  const std::shared_ptr<Writer> writer_;  // shared with its thread, which outlives this while a write hangs
};

// One access log of a listener or an HTTP connection manager.
struct AccessLog {
  std::shared_ptr<LogFile> file;
  telemetry::LineFormat format;
  LogFilter filter;
};

}  // namespace proxy
