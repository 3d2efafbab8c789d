// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "localkube/process/fd.h"

namespace localkube {

// A container's log file. Each line of output is one line there: time (UTC,
// nanoseconds), stream, F for a full line or P for a part of one, text; the form
// that Kubernetes' container runtimes write. A file over its limit is renamed
// with ".1" at its end, over the one before, and a new one begun.
class LogWriter {
 public:
  static constexpr size_t kMostLine = 16 * 1024;  // longer lines come in parts
  static constexpr off_t kMostFile = 10 << 20;

  explicit LogWriter(std::string path);

  enum class Stream { Out, Err };
  void write(Stream stream, std::string_view bytes);
  void finish();  // what has no line end yet

 private:
  void line(Stream stream, std::string_view text, char tag);
  void flush();
  void reopen();

  std::string path_;
  Fd file_;
  off_t size_ = 0;
  std::string open_[2];  // the unfinished line of each stream
  std::string batch_;
};

}  // namespace localkube
