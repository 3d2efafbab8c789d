// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/pump.h"

#include <sys/epoll.h>

#include "base/log.h"
#include "localkube/process/files.h"

namespace localkube {

PipeReader::PipeReader(net::Loop& loop, Fd fd, Calls calls)
    : loop_(loop), fd_(std::move(fd)), calls_(std::move(calls)) {
  set_blocking(fd_.get(), false);
  if (auto added = loop_.add(fd_.get(), EPOLLIN, *this); !added) base::log::error("pipe: {}", added.error().message);
}

PipeReader::~PipeReader() {
  if (fd_) loop_.remove(fd_.get(), *this);
}

void PipeReader::pause() {
  if (fd_ && !std::exchange(paused_, true)) loop_.remove(fd_.get(), *this);
}

void PipeReader::resume() {
  if (fd_ && std::exchange(paused_, false)) (void)loop_.add(fd_.get(), EPOLLIN, *this);
}

bool PipeReader::read_some() {
  char block[32 * 1024];
  ssize_t n = read(fd_.get(), block, sizeof block);
  if (n > 0) {
    calls_.data({block, static_cast<size_t>(n)});
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (!paused_) loop_.remove(fd_.get(), *this);  // the end; a terminal says EIO
  fd_.reset();
  auto ended = std::move(calls_.ended);
  if (ended) ended();
  return false;
}

void PipeReader::on_io(uint32_t) { read_some(); }

void PipeReader::drain() {
  while (fd_ && read_some()) {
  }
}

PipeWriter::PipeWriter(net::Loop& loop, Fd fd, Calls calls)
    : loop_(loop), fd_(std::move(fd)), calls_(std::move(calls)) {
  set_blocking(fd_.get(), false);
}

PipeWriter::~PipeWriter() {
  if (fd_ && watching_) loop_.remove(fd_.get(), *this);
}

void PipeWriter::write(std::string_view bytes) {
  if (!fd_ || closing_) return;
  backlog_ += bytes;
  if (!watching_) flush();
}

void PipeWriter::close_after_flush() {
  closing_ = true;
  if (fd_ && backlog_.empty()) end();
}

void PipeWriter::on_io(uint32_t) { flush(); }

void PipeWriter::flush() {
  size_t done = 0;
  while (done < backlog_.size()) {
    ssize_t n = ::write(fd_.get(), backlog_.data() + done, backlog_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      end();
      auto gone = std::move(calls_.gone);
      if (gone) gone();
      return;
    }
    done += static_cast<size_t>(n);
  }
  backlog_.erase(0, done);
  if (!backlog_.empty()) {
    if (!std::exchange(watching_, true)) (void)loop_.add(fd_.get(), EPOLLOUT, *this);
    return;
  }
  bool waited = std::exchange(watching_, false);
  if (waited) loop_.remove(fd_.get(), *this);
  if (closing_) return end();
  if (waited && calls_.drained) calls_.drained();
}

void PipeWriter::end() {
  if (std::exchange(watching_, false)) loop_.remove(fd_.get(), *this);
  fd_.reset();
  backlog_.clear();
}

}  // namespace localkube
