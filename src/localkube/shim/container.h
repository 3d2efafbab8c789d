// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <memory>

#include "localkube/process/children.h"
#include "localkube/process/packets.h"
#include "localkube/shim/log_writer.h"
#include "localkube/shim/program.h"
#include "localkube/shim/pump.h"

namespace localkube {

// One container of the shim's pod in its latest attempt: its process, its log,
// its input and who is attached to it.
class Container {
 public:
  struct Calls {
    std::function<void(std::string error)> started;  // once; empty: the program runs
    std::function<void()> exited;                    // once, after started, when all of its output is in the log
  };
  Container(net::Loop& loop, Children& children, ContainerSpec spec);

  void start(Calls calls);
  void signal(int number) const;
  void resize(int rows, int columns) const;

  // Ends for a client: it writes to `in`, and reads from `out` and `err` what the
  // container says from now on; what it said before is in the log only.
  struct Ends {
    Fd in, out, err;
  };
  base::Result<Ends> attach(bool with_input);

  const ContainerSpec& spec() const { return spec_; }
  pid_t pid() const { return pid_; }
  bool running() const { return running_; }
  base::Json state() const;

 private:
  struct Client {
    std::unique_ptr<PipeWriter> out, err;
    std::unique_ptr<PipeReader> in;
  };

  base::Result<void> open_streams(Streams& theirs);
  void on_report(Packet packet);
  void on_report_end();
  void on_exit(int code);
  void read_from(Fd fd, LogWriter::Stream stream, std::unique_ptr<PipeReader>& reader);
  void on_output(LogWriter::Stream stream, std::string_view bytes);
  void on_input(std::string_view bytes);
  void on_input_end();
  void throttle();
  void finish();

  net::Loop& loop_;
  Children& children_;
  const ContainerSpec spec_;
  Calls calls_;
  LogWriter log_;
  pid_t pid_ = 0;
  bool running_ = false;
  bool told_ = false;  // calls_.started was called
  int code_ = 0;
  int64_t started_ms_ = 0;
  int64_t finished_ms_ = 0;
  std::string error_;

  std::unique_ptr<PacketChannel> report_;
  std::unique_ptr<PipeReader> out_, err_;
  std::unique_ptr<PipeWriter> in_;
  int terminal_ = -1;  // owned by out_
  std::list<Client> clients_;
};

int64_t now_ms();

}  // namespace localkube
