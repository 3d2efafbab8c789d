// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/container.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "localkube/process/files.h"

namespace localkube {

static constexpr size_t kMostBacklog = 512 * 1024;  // of one client, before the program has to wait for it
static constexpr char kEndOfInput = 0x04;           // what a terminal takes for it (^D)

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Container::Container(net::Loop& loop, Children& children, ContainerSpec spec)
    : loop_(loop), children_(children), spec_(std::move(spec)), log_(spec_.log) {}

base::Result<void> Container::open_streams(Streams& theirs) {
  if (spec_.tty) return {};  // the terminal comes by the report
  auto [out_read, out_write] = TRY(make_pipe());
  auto [err_read, err_write] = TRY(make_pipe());
  read_from(std::move(out_read), LogWriter::Stream::Out, out_);
  read_from(std::move(err_read), LogWriter::Stream::Err, err_);
  theirs.out = std::move(out_write);
  theirs.err = std::move(err_write);
  if (spec_.in) {
    auto [in_read, in_write] = TRY(make_pipe());
    theirs.in = std::move(in_read);
    in_ = std::make_unique<PipeWriter>(loop_, std::move(in_write), PipeWriter::Calls{});
  }
  return {};
}

void Container::read_from(Fd fd, LogWriter::Stream stream, std::unique_ptr<PipeReader>& reader) {
  reader = std::make_unique<PipeReader>(
      loop_, std::move(fd),
      PipeReader::Calls{.data = [this, stream](std::string_view bytes) { on_output(stream, bytes); }, .ended = [] {}});
}

void Container::start(Calls calls) {
  calls_ = std::move(calls);
  started_ms_ = now_ms();
  Streams theirs;
  auto opened = open_streams(theirs);
  auto ends = packet_pair();
  if (!opened || !ends) {
    told_ = true;
    return calls_.started(opened ? ends.error().message : opened.error().message);
  }
  auto pid = start_container(spec_, std::move(theirs), std::move(ends->second));
  if (!pid) {
    told_ = true;
    return calls_.started(pid.error().message);
  }
  pid_ = *pid;
  running_ = true;
  children_.on_exit(pid_, [this](int code) { on_exit(code); });
  report_ = std::make_unique<PacketChannel>(
      loop_, std::move(ends->first),
      PacketChannel::Calls{.packet = [this](Packet packet) { on_report(std::move(packet)); },
                           .closed = [this] { on_report_end(); }});
}

void Container::on_report(Packet packet) {
  if (auto error = base::text(packet.body, "error"); !error.empty()) error_ = error;
  if (packet.fds.empty()) return;
  Fd master = std::move(packet.fds[0]);
  terminal_ = master.get();
  if (spec_.in)
    in_ = std::make_unique<PipeWriter>(loop_, Fd(fcntl(terminal_, F_DUPFD_CLOEXEC, 0)), PipeWriter::Calls{});
  read_from(std::move(master), LogWriter::Stream::Out, out_);
}

// A start that failed is told once its process is over, so that whoever starts
// it again does not find it running.
void Container::on_report_end() {
  if (!error_.empty() && running_) return;
  if (std::exchange(told_, true)) return;
  calls_.started(error_);
}

void Container::on_exit(int code) {
  running_ = false;
  code_ = code;
  finished_ms_ = now_ms();
  // The report ends with the process, but may be read only after this.
  if (!told_ && report_->open()) report_->read_now();
  on_report_end();
  for (auto* reader : {out_.get(), err_.get()})
    if (reader) reader->drain();
  finish();
}

void Container::finish() {
  log_.finish();
  for (Client& client : clients_)
    for (auto* end : {client.out.get(), client.err.get()})
      if (end) end->close_after_flush();
  terminal_ = -1;
  out_.reset();
  err_.reset();
  in_.reset();
  if (calls_.exited) calls_.exited();
}

void Container::on_output(LogWriter::Stream stream, std::string_view bytes) {
  log_.write(stream, bytes);
  bool out = stream == LogWriter::Stream::Out;
  for (Client& client : clients_) (out ? client.out : client.err)->write(bytes);
  throttle();
}

void Container::throttle() {
  bool behind = false;
  for (const Client& client : clients_)
    behind |= client.out->backlog() > kMostBacklog || client.err->backlog() > kMostBacklog;
  for (auto* reader : {out_.get(), err_.get()})
    if (reader) behind ? reader->pause() : reader->resume();
}

base::Result<Container::Ends> Container::attach(bool with_input) {
  if (!running_) return base::fail(base::ErrorKind::NotFound, "it is not running");
  std::erase_if(clients_, [](const Client& c) { return !c.out->open() && !c.err->open() && (!c.in || c.in->ended()); });
  auto [out_read, out_write] = TRY(make_pipe());
  auto [err_read, err_write] = TRY(make_pipe());
  Ends ends{.in = Fd(), .out = std::move(out_read), .err = std::move(err_read)};
  Client& client = clients_.emplace_back();
  auto writer = [this](Fd fd) {
    return std::make_unique<PipeWriter>(
        loop_, std::move(fd), PipeWriter::Calls{.drained = [this] { throttle(); }, .gone = [this] { throttle(); }});
  };
  client.out = writer(std::move(out_write));
  client.err = writer(std::move(err_write));
  if (with_input && in_) {
    auto [in_read, in_write] = TRY(make_pipe());
    ends.in = std::move(in_write);
    client.in =
        std::make_unique<PipeReader>(loop_, std::move(in_read),
                                     PipeReader::Calls{.data = [this](std::string_view bytes) { on_input(bytes); },
                                                       .ended = [this] { on_input_end(); }});
  }
  return ends;
}

void Container::on_input(std::string_view bytes) {
  if (in_) in_->write(bytes);
}

void Container::on_input_end() {
  if (!in_ || !spec_.in_once) return;
  if (spec_.tty) return in_->write({&kEndOfInput, 1});
  in_->close_after_flush();
}

void Container::signal(int number) const {
  if (running_) kill(pid_, number);
}

void Container::resize(int rows, int columns) const {
  if (terminal_ < 0) return;
  winsize size{.ws_row = static_cast<unsigned short>(rows),
               .ws_col = static_cast<unsigned short>(columns),
               .ws_xpixel = 0,
               .ws_ypixel = 0};
  ioctl(terminal_, TIOCSWINSZ, &size);
}

base::Json Container::state() const {
  return {{"container", spec_.name}, {"attempt", spec_.attempt}, {"running", running_},
          {"code", code_},           {"started", started_ms_},   {"finished", finished_ms_}};
}

}  // namespace localkube
