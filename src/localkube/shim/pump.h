// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <string>

#include "localkube/process/fd.h"
#include "net/loop.h"

namespace localkube {

// The reading end of a pipe or terminal on a loop. Reading can be paused.
class PipeReader final : private net::IoHandler {
 public:
  // `data` for each piece; `ended` once, as the last call.
  struct Calls {
    std::function<void(std::string_view)> data;
    std::function<void()> ended;
  };
  PipeReader(net::Loop& loop, Fd fd, Calls calls);
  ~PipeReader();
  PipeReader(const PipeReader&) = delete;

  void pause();
  void resume();
  void drain();  // reads what is there now, at once
  bool ended() const { return !fd_; }
  int fd() const { return fd_.get(); }

 private:
  void on_io(uint32_t events) override;
  bool read_some();

  net::Loop& loop_;
  Fd fd_;
  Calls calls_;
  bool paused_ = false;
};

// The writing end: keeps what the reader does not take yet.
class PipeWriter final : private net::IoHandler {
 public:
  // `drained`: the backlog is empty again. `gone`: nobody reads any more.
  struct Calls {
    std::function<void()> drained;
    std::function<void()> gone;
  };
  PipeWriter(net::Loop& loop, Fd fd, Calls calls);
  ~PipeWriter();
  PipeWriter(const PipeWriter&) = delete;

  void write(std::string_view bytes);
  void close_after_flush();
  size_t backlog() const { return backlog_.size(); }
  bool open() const { return static_cast<bool>(fd_); }

 private:
  void on_io(uint32_t events) override;
  void flush();
  void end();

  net::Loop& loop_;
  Fd fd_;
  Calls calls_;
  std::string backlog_;
  bool watching_ = false;
  bool closing_ = false;
};

}  // namespace localkube
