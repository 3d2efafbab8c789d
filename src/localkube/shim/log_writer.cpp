// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/log_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>

#include "localkube/process/files.h"

namespace localkube {

LogWriter::LogWriter(std::string path) : path_(std::move(path)) { reopen(); }

void LogWriter::reopen() {
  file_ = Fd(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  struct stat status{};
  size_ = file_ && fstat(file_.get(), &status) == 0 ? status.st_size : 0;
}

void LogWriter::write(Stream stream, std::string_view bytes) {
  std::string& pending = open_[static_cast<int>(stream)];
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    size_t take = std::min(end == bytes.npos ? bytes.size() : end, kMostLine - pending.size());
    pending += bytes.substr(0, take);
    bytes.remove_prefix(take);
    bool full = !bytes.empty() && bytes.front() == '\n';
    if (full) bytes.remove_prefix(1);
    if (!full && pending.size() < kMostLine) break;
    line(stream, pending, full ? 'F' : 'P');
    pending.clear();
  }
  flush();
}

void LogWriter::finish() {
  for (Stream stream : {Stream::Out, Stream::Err}) {
    std::string& pending = open_[static_cast<int>(stream)];
    if (!pending.empty()) line(stream, pending, 'P');
    pending.clear();
  }
  flush();
}

void LogWriter::line(Stream stream, std::string_view text, char tag) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char stamp[64];
  size_t size = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(stamp + size, sizeof stamp - size, ".%09ldZ %s %c ", now.tv_nsec,
           stream == Stream::Out ? "stdout" : "stderr", tag);
  batch_ += stamp;
  batch_ += text;
  batch_ += '\n';
}

void LogWriter::flush() {
  if (batch_.empty()) return;
  if (file_ && write_all(file_.get(), batch_)) size_ += static_cast<off_t>(batch_.size());
  batch_.clear();
  if (size_ <= kMostFile) return;
  if (rename(path_.c_str(), (path_ + ".1").c_str()) == 0) reopen();
}

}  // namespace localkube
