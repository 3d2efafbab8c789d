// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/api.h"
#include "net/loop.h"

namespace localkube {

// Reading what shim/log_writer.h wrote.

struct LogLine {
  std::string_view time;  // "2026-01-02T03:04:05.678901234Z"
  bool out = true;        // else standard error
  bool whole = true;      // else the next line of the same stream goes on with it
  std::string_view text;
};
std::optional<LogLine> parse_log_line(std::string_view line);

// The last lines of a log as plain text.
std::string tail_of_log(const std::string& path, size_t lines, size_t most_bytes);

// Sends the log to the queue as `options` ask, then closes it. While following
// it goes on until `ended` says that nothing more will be written, or the queue
// is closed by its reader.
struct LogOrder {
  std::string path;
  PodStreams::LogOptions options;
  std::function<bool()> ended;
};
net::Task<void> send_log(net::Loop& loop, LogOrder order, net::Queue<std::string> queue);

}  // namespace localkube
