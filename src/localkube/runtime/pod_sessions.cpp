// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

#include <filesystem>

#include "localkube/fields.h"
#include "localkube/runtime/log_reader.h"
#include "localkube/runtime/pod_runtime.h"
#include "localkube/shim/pump.h"
#include "net/connection_stream.h"

namespace localkube {
namespace {

using Phase = ContainerAccount::Phase;

std::unexpected<Refusal> bad(std::string message) {
  return std::unexpected(Refusal{.code = 400, .reason = "BadRequest", .message = std::move(message)});
}
// Of what runs no more, or not yet, in a kubelet's words.
std::unexpected<Refusal> not_running(const PodStreams::ExecOptions& options, const std::string& ns,
                                     const std::string& name) {
  std::string which = options.command.empty()
                          ? "container " + options.container + " not found in pod " + name + "_" + ns
                          : "container not found (\"" + options.container + "\")";
  return std::unexpected(
      Refusal{.code = 500, .reason = "InternalError", .message = "unable to upgrade connection: " + which});
}
std::unexpected<Refusal> missing(const std::string& name) {
  return std::unexpected(Refusal{.code = 404, .reason = "NotFound", .message = "pods \"" + name + "\" not found"});
}

// A session between a client of the API and a process: carries its output into
// queues and its input into pipes, and ends with both.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(net::Loop& loop, std::shared_ptr<Sandbox> sandbox, Sandbox::Session ends, PodStreams::ExecOptions options)
      : loop_(loop),
        sandbox_(std::move(sandbox)),
        session_(std::move(ends)),
        options_(std::move(options)),
        throttle_(loop, [this] { look(); }) {}

  PodStreams::Process begin() {
    auto self = shared_from_this();
    if (session_.ends.size() == 1) {
      terminal_ = session_.ends[0].get();
      in_ = std::make_unique<PipeWriter>(loop_, Fd(fcntl(terminal_, F_DUPFD_CLOEXEC, 0)), PipeWriter::Calls{});
      out_ = reader(std::move(session_.ends[0]), process_.out);
      process_.err.close();
    } else {
      in_ = std::make_unique<PipeWriter>(loop_, std::move(session_.ends.at(0)), PipeWriter::Calls{});
      out_ = reader(std::move(session_.ends.at(1)), process_.out);
      err_ = reader(std::move(session_.ends.at(2)), process_.err);
    }
    process_.write = [self](std::string bytes) {
      if (self->in_) self->in_->write(bytes);
    };
    process_.close_input = [self] { self->close_input(); };
    process_.resize = [self](int rows, int columns) { self->resize(rows, columns); };
    process_.hang_up = [self] { self->hang_up(); };
    bool attached = session_.id == 0;
    PodStreams::Process out = process_;
    net::spawn(attached ? end_of_attach(self) : end_of_exec(self));
    return out;
  }

 private:
  static constexpr size_t kMostQueued = 32;

  std::unique_ptr<PipeReader> reader(Fd fd, net::Queue<std::string> queue) {
    return std::make_unique<PipeReader>(loop_, std::move(fd),
                                        PipeReader::Calls{.data =
                                                              [this, queue](std::string_view bytes) {
                                                                if (!queue.closed()) queue.push(std::string(bytes));
                                                                if (queue.size() > kMostQueued) hold();
                                                              },
                                                          .ended =
                                                              [this, queue] {
                                                                queue.close();
                                                                if (process_.out.closed() && process_.err.closed())
                                                                  drained_.set(true);
                                                              }});
  }

  // A client that does not keep up makes the program wait.
  void hold() {
    for (PipeReader* one : {out_.get(), err_.get()})
      if (one) one->pause();
    throttle_.arm(std::chrono::milliseconds(2));
  }
  void look() {
    if (process_.out.size() > kMostQueued || process_.err.size() > kMostQueued)
      return throttle_.arm(std::chrono::milliseconds(2));
    for (PipeReader* one : {out_.get(), err_.get()})
      if (one) one->resume();
  }

  void close_input() {
    if (!in_) return;
    static constexpr char kEndOfInput = 0x04;
    if (terminal_ >= 0) return in_->write({&kEndOfInput, 1});
    in_->close_after_flush();
  }

  void resize(int rows, int columns) {
    if (session_.id == 0) return sandbox_->resize(options_.container, rows, columns);
    if (terminal_ < 0 || !out_ || out_->ended()) return;
    winsize size{.ws_row = static_cast<unsigned short>(rows),
                 .ws_col = static_cast<unsigned short>(columns),
                 .ws_xpixel = 0,
                 .ws_ypixel = 0};
    ioctl(terminal_, TIOCSWINSZ, &size);
  }

  void hang_up() {
    if (std::exchange(over_, true)) return;
    if (session_.id != 0) sandbox_->signal_exec(session_.id, terminal_ >= 0 ? SIGHUP : SIGTERM);
    auto self = shared_from_this();
    loop_.post([self] { self->finish(); });
  }

  // The program may leave others behind that hold its output open: they are not waited for.
  static net::Task<void> end_of_exec(std::shared_ptr<Session> self) {
    auto exited = self->session_.exited;
    int code = co_await exited.wait();
    for (PipeReader* one : {self->out_.get(), self->err_.get()})
      if (one && self->process_.out.size() <= kMostQueued) one->drain();
    // What a slow client still has to take stays in the pipe for it.
    while (!self->over_ && (self->process_.out.size() > kMostQueued || self->process_.err.size() > kMostQueued))
      co_await net::sleep(self->loop_, std::chrono::milliseconds(5));
    for (PipeReader* one : {self->out_.get(), self->err_.get()})
      if (one) one->drain();
    self->process_.out.close();
    self->process_.err.close();
    self->process_.exited.set({.code = code});
    self->over_ = true;
    self->finish();
  }

  static net::Task<void> end_of_attach(std::shared_ptr<Session> self) {
    (void)co_await self->drained_.wait();
    self->process_.exited.set({});
    self->over_ = true;
    self->finish();
  }

  void finish() {
    drained_.set(true);
    throttle_.cancel();
    auto self = shared_from_this();
    // The callbacks of readers and the process's functions may be what runs.
    loop_.post([self] {
      self->out_.reset();
      self->err_.reset();
      self->in_.reset();
      self->process_ = {};
    });
  }

  net::Loop& loop_;
  std::shared_ptr<Sandbox> sandbox_;
  Sandbox::Session session_;
  PodStreams::ExecOptions options_;
  PodStreams::Process process_;
  net::Timer throttle_;
  net::Oneshot<bool> drained_;
  std::unique_ptr<PipeReader> out_, err_;
  std::unique_ptr<PipeWriter> in_;
  int terminal_ = -1;
  bool over_ = false;
};

// Until a stream takes the connection over, in the same turn of the loop.
struct Nobody final : net::Connection::Handler {
  void on_data(net::Connection&) override {}
  void on_end(net::Connection&) override {}
  void on_closed(net::Connection&, const base::Error&) override {}
};

}  // namespace

net::Task<PodStreams::Dialled> PodRuntime::dial(std::string ns, std::string name, uint16_t port) {
  auto pod = find(ns, name);
  auto sandbox = pod ? pod->sandbox() : nullptr;
  if (!sandbox) co_return base::fail(base::ErrorKind::NotFound, "pod " + name + " is not running");
  auto socket = co_await sandbox->connect_to(port);
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  Nobody nobody;
  auto connection = std::make_unique<net::Connection>(node_.loop, nobody);
  CO_TRY(connection->adopt(socket->release()));
  co_return net::stream_of(std::move(connection));
}

// As a kubelet words the most common reasons.
static std::string why_waiting(const std::string& reason) {
  if (reason == "ErrImagePull") return "image can't be pulled";
  if (reason == "ImagePullBackOff") return "trying and failing to pull image";
  return reason.empty() ? "ContainerCreating" : reason;
}

net::Task<Answer<net::Queue<std::string>>> PodRuntime::logs(std::string ns, std::string name, LogOptions options) {
  auto pod = find(ns, name);
  if (!pod) co_return missing(name);
  const ContainerAccount* container = pod->find(options.container);
  if (!container) co_return bad("container " + options.container + " is not valid for pod " + name);
  int attempt = container->attempt - (options.previous ? 1 : 0);
  std::string path = log_path(pod->object(), options.container, attempt);
  if (options.previous && (attempt < 0 || !std::filesystem::exists(path)))
    co_return bad("previous terminated container \"" + options.container + "\" in pod \"" + name + "\" not found");
  if (!container->ever_started)
    co_return bad("container \"" + options.container + "\" in pod \"" + name +
                  "\" is waiting to start: " + why_waiting(container->reason));
  LogOrder order{.path = std::move(path), .options = std::move(options), .ended = {}};
  std::weak_ptr<Pod> weak = pod;
  order.ended = [weak, wanted = order.options.container, attempt] {
    auto self = weak.lock();
    const ContainerAccount* now = self ? self->find(wanted) : nullptr;
    return !now || now->attempt != attempt || now->phase == Phase::Exited;
  };
  net::Queue<std::string> queue;
  net::spawn(send_log(node_.loop, std::move(order), queue));
  co_return queue;
}

net::Task<Answer<PodStreams::Process>> PodRuntime::exec(std::string ns, std::string name, ExecOptions options) {
  auto pod = find(ns, name);
  if (!pod) co_return missing(name);
  const ContainerAccount* container = pod->find(options.container);
  if (!container) co_return bad("container " + options.container + " is not valid for pod " + name);
  auto sandbox = pod->sandbox();
  bool attach = options.command.empty();
  if (!sandbox || container->phase != Phase::Running) co_return not_running(options, ns, name);
  if (attach) {
    auto session = co_await sandbox->attach(options.container, options.in);
    if (!session) co_return not_running(options, ns, name);
    auto running = std::make_shared<Session>(node_.loop, sandbox, std::move(*session), std::move(options));
    co_return running->begin();
  }
  Sandbox::ExecOrder order{
      .container = options.container, .argv = options.command, .tty = options.tty, .in = options.in};
  auto session = co_await sandbox->exec(std::move(order));
  if (!session) {
    Process failed;
    failed.out.close();
    failed.err.close();
    failed.exited.set({.code = 126, .error = "error executing command in container: " + session.error().message});
    co_return failed;
  }
  auto running = std::make_shared<Session>(node_.loop, sandbox, std::move(*session), std::move(options));
  co_return running->begin();
}

}  // namespace localkube
