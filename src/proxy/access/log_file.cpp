// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "proxy/access/access_log.h"

namespace proxy {
namespace {

constexpr size_t kMostQueued = 4 << 20;
constexpr size_t kKeptRoom = 64 << 10;  // of a block, for the next one
constexpr auto kLastLines = std::chrono::seconds(1);
constexpr int kHow = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
constexpr int kNobodyReads = -1;  // of a FIFO: to be opened where one may wait

bool is_fifo(const std::string& path) {
  struct stat found{};
  return stat(path.c_str(), &found) == 0 && S_ISFIFO(found.st_mode);
}

base::Result<int> open_now(const std::string& path) {
  int fd = -1;
  if (path == "/dev/stdout") {
    fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);  // opening it anew would truncate, or fail under another user
  } else if (path == "/dev/stderr") {
    fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  } else {
    fd = ::open(path.c_str(), kHow | O_NONBLOCK, 0644);
    if (fd < 0 && errno == ENXIO && is_fifo(path)) return kNobodyReads;
    if (fd >= 0) fcntl(fd, F_SETFL, O_APPEND);  // its thread may wait
  }
  if (fd < 0) return std::unexpected(base::system_error("open access log " + path, errno));
  return fd;
}

void write_all(int fd, std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t n = ::write(fd, lines.data(), lines.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {  // standard output, which others share and may have set so
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      poll(&ready, 1, -1);
      continue;
    }
    if (n <= 0) return;  // a full disk costs log lines, not requests
    lines.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

// What a log and its thread share. The thread is detached: one that hangs in a
// write must not keep the process from ending.
struct LogFile::Writer {
  explicit Writer(std::string path) : path(std::move(path)) {}
  ~Writer() {
    if (fd >= 0) close(fd);
    if (opened && *opened >= 0) close(*opened);
  }
  void run();
  void use(int opened);
  // Then nothing is said any more: the process may be about to end, and its logger gone.
  bool ends() {
    std::lock_guard lock(mutex);
    return ending;
  }

  const std::string path;
  int fd = -1;  // the thread's

  std::mutex mutex;
  std::condition_variable work, ended;
  // Guarded by mutex.
  std::string queued;
  std::optional<int> opened;  // to go on with
  uint64_t dropped = 0;
  bool running = false, ending = false;
};

void LogFile::Writer::use(int fresh) {
  if (fresh == kNobodyReads) fresh = ::open(path.c_str(), kHow, 0644);  // waits for who reads
  if (fresh < 0) {
    const int why = errno;
    if (!ends()) base::log::warn("open access log {}: {}", path, std::generic_category().message(why));
    return;
  }
  if (fd >= 0) close(fd);
  fd = fresh;
}

void LogFile::Writer::run() {
  pthread_setname_np(pthread_self(), "access-log");
  std::string block;
  bool told = false;
  std::unique_lock lock(mutex);
  for (;;) {
    work.wait(lock, [&] { return ending || opened || !queued.empty(); });
    if (!opened && queued.empty()) break;
    block.swap(queued);
    const auto fresh = std::exchange(opened, std::nullopt);
    const uint64_t lost = told || ending ? 0 : dropped;
    lock.unlock();
    if (fresh) use(*fresh);
    write_all(fd, block);
    block.clear();
    if (block.capacity() > kKeptRoom) block.shrink_to_fit();
    if (lost && !ends()) {  // here: where this log is stalled, standard error may be too
      told = true;
      base::log::warn("access log {}: {} lines were dropped, more may be: they are not read fast enough", path, lost);
    }
    lock.lock();
  }
  running = false;
  ended.notify_all();
}

LogFile::LogFile(std::string path) : path_(std::move(path)), writer_(std::make_shared<Writer>(path_)) {}

base::Result<std::shared_ptr<LogFile>> LogFile::open(const std::string& path) {
  std::shared_ptr<LogFile> file(new LogFile(path));
  TRY(file->reopen());
  return file;
}

base::Result<void> LogFile::reopen() {
  const int fresh = TRY(open_now(path_));
  std::lock_guard lock(writer_->mutex);
  const auto before = std::exchange(writer_->opened, fresh);
  if (before && *before >= 0) close(*before);
  writer_->work.notify_one();
  return {};
}

LogFile::~LogFile() {
  std::unique_lock lock(writer_->mutex);
  writer_->ending = true;
  writer_->work.notify_one();
  writer_->ended.wait_for(lock, kLastLines, [this] { return !writer_->running; });
}

void LogFile::write(std::string_view lines) {
  std::lock_guard lock(writer_->mutex);
  std::string& queued = writer_->queued;
  auto drop = [&](std::string_view some) {
    writer_->dropped += static_cast<uint64_t>(std::count(some.begin(), some.end(), '\n'));
  };
  if (!queued.empty() && queued.size() + lines.size() > kMostQueued) return drop(lines);
  queued += lines;
  if (writer_->running) return writer_->work.notify_one();
  try {
    std::thread([writer = writer_] { writer->run(); }).detach();
    writer_->running = true;
  } catch (const std::system_error&) {  // no thread is to be had now
    drop(queued);
    queued.clear();
  }
}

uint64_t LogFile::dropped() const {
  std::lock_guard lock(writer_->mutex);
  return writer_->dropped;
}

}  // namespace proxy
