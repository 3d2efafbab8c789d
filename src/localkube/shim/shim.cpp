// SPDX-License-Identifier: Apache-2.0
#include "localkube/shim/shim.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "localkube/fields.h"
#include "localkube/network/pod_network.h"
#include "localkube/process/files.h"
#include "localkube/process/spawn.h"
#include "localkube/shim/container.h"
#include "net/address.h"

namespace localkube {
namespace {

class Shim final : private net::IoHandler {
 public:
  Shim(net::Loop& loop, Fd listening) : loop_(loop), listening_(std::move(listening)), children_(loop) {
    set_blocking(listening_.get(), false);
    (void)loop_.add(listening_.get(), EPOLLIN, *this);
  }
  ~Shim() { loop_.remove(listening_.get(), *this); }

 private:
  struct Exec {
    pid_t pid = 0;
    bool running = false;
    bool told = false;  // the request was answered
    bool tty = false;
    int code = 0;
    std::string error;
    std::vector<Fd> ends;  // for the client, until the request is answered
    std::unique_ptr<PacketChannel> report;
  };

  void on_io(uint32_t) override {
    Fd client(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    channel_ = std::make_unique<PacketChannel>(
        loop_, std::move(client),
        PacketChannel::Calls{.packet = [this](Packet packet) { on_packet(std::move(packet)); }, .closed = [] {}});
    base::Json states = base::Json::array();
    for (const auto& [name, container] : containers_) states.push_back(container->state());
    channel_->send({{"event", "state"}, {"containers", std::move(states)}});
  }

  void send(const base::Json& body, const std::vector<Fd>& fds = {}) {
    std::vector<int> numbers;
    for (const Fd& fd : fds) numbers.push_back(fd.get());
    if (channel_) channel_->send(body, numbers);
  }
  void refuse(int64_t id, const std::string& error) { send({{"id", id}, {"error", error}}); }

  Container* find(const std::string& name) {
    auto found = containers_.find(name);
    return found == containers_.end() ? nullptr : found->second.get();
  }

  void on_packet(Packet packet) {
    const base::Json& body = packet.body;
    std::string op = string_at(body, "op");
    int64_t id = number(body, "id");
    if (op == "start") return start(id, packet);
    if (op == "quit") _exit(0);
    if (op == "connect") return connect(id, static_cast<uint16_t>(number(body, "port")));
    if (op == "exec_signal") return exec_signal(id, static_cast<int>(number(body, "signal")));
    Container* container = find(string_at(body, "container"));
    if (op == "signal" && container) return container->signal(static_cast<int>(number(body, "signal")));
    if (op == "resize" && container)
      return container->resize(static_cast<int>(number(body, "rows")), static_cast<int>(number(body, "columns")));
    if (!container) return refuse(id, "container " + string_at(body, "container") + " was never started");
    if (op == "exec") return exec(id, body, *container);
    if (op == "attach") return attach(id, *container, truth(body, "in"));
    refuse(id, "unknown request " + op);
  }

  void start(int64_t id, const Packet& packet) {
    auto bytes =
        packet.fds.empty() ? base::fail(base::ErrorKind::Invalid, "no specification") : bytes_of(packet.fds[0]);
    auto json = bytes ? base::parse_json(*bytes) : std::unexpected(bytes.error());
    if (!json) return refuse(id, json.error().message);
    ContainerSpec spec = container_spec_of(*json);
    if (Container* before = find(spec.name); before && before->running()) return refuse(id, "it runs already");
    std::string name = spec.name;
    auto& container = containers_[name] = std::make_unique<Container>(loop_, children_, std::move(spec));
    auto failed = std::make_shared<bool>(false);
    container->start({.started =
                          [this, id, failed](std::string error) {
                            *failed = !error.empty();
                            *failed ? refuse(id, error) : send({{"id", id}});
                          },
                      .exited =
                          [this, name, failed] {
                            base::Json event = find(name)->state();
                            event["event"] = "exited";
                            if (!*failed) send(event);
                          }});
  }

  // Over the loopback the kernel answers at once, so this does not hold up the loop.
  void connect(int64_t id, uint16_t port) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    auto to = net::Address::parse("127.0.0.1", port);
    int failed = !socket || (::connect(socket.get(), to->data(), to->size()) != 0 && errno != EINPROGRESS);
    int error = failed ? errno : 0;
    pollfd wait{.fd = socket.get(), .events = POLLOUT, .revents = 0};
    socklen_t size = sizeof error;
    if (!failed && poll(&wait, 1, 500) == 1) getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
      std::string why = "failed to connect to localhost:" + std::to_string(port) +
                        " inside the pod: dial tcp4 127.0.0.1:" + std::to_string(port) + ": connect: ";
      return refuse(
          id, why + (error == ECONNREFUSED ? "connection refused" : base::system_error("", error).message.substr(2)));
    }
    std::vector<Fd> fds;
    fds.push_back(std::move(socket));
    send({{"id", id}}, fds);
  }

  void attach(int64_t id, Container& container, bool with_input) {
    auto ends = container.attach(with_input);
    if (!ends) return refuse(id, ends.error().message);
    std::vector<Fd> fds;
    // A place for each of the three, also where there is no input.
    fds.push_back(ends->in ? std::move(ends->in) : Fd(open("/dev/null", O_WRONLY | O_CLOEXEC)));
    fds.push_back(std::move(ends->out));
    fds.push_back(std::move(ends->err));
    send({{"id", id}}, fds);
  }

  base::Result<Streams> exec_streams(Exec& exec, bool in) {
    Streams theirs;
    if (exec.tty) return theirs;
    if (in) {
      auto [in_read, in_write] = TRY(make_pipe());
      theirs.in = std::move(in_read);
      exec.ends.push_back(std::move(in_write));
    } else {
      exec.ends.emplace_back(open("/dev/null", O_WRONLY | O_CLOEXEC));
    }
    for (Fd* stream : {&theirs.out, &theirs.err}) {
      auto [read_end, write_end] = TRY(make_pipe());
      *stream = std::move(write_end);
      exec.ends.push_back(std::move(read_end));
    }
    return theirs;
  }

  void exec(int64_t id, const base::Json& body, Container& container) {
    if (!container.running()) return refuse(id, "container " + container.spec().name + " is not running");
    ExecSpec spec{.tty = truth(body, "tty")};
    for (const base::Json& word : items(body, "argv"))
      if (word.is_string()) spec.argv.push_back(word.get<std::string>());
    Exec exec{.tty = spec.tty};
    auto theirs = exec_streams(exec, truth(body, "in"));
    auto report = packet_pair();
    if (!theirs || !report) return refuse(id, theirs ? report.error().message : theirs.error().message);
    auto pid = start_exec(container.spec(), container.pid(), spec, std::move(*theirs), std::move(report->second));
    if (!pid) return refuse(id, pid.error().message);
    exec.pid = *pid;
    exec.running = true;
    exec.report = std::make_unique<PacketChannel>(
        loop_, std::move(report->first),
        PacketChannel::Calls{.packet = [this, id](Packet packet) { on_exec_report(id, std::move(packet)); },
                             .closed = [this, id] { tell_exec(id); }});
    execs_[id] = std::move(exec);
    children_.on_exit(*pid, [this, id](int code) { on_exec_exit(id, code); });
  }

  void on_exec_report(int64_t id, Packet packet) {
    Exec& exec = execs_[id];
    if (auto error = base::text(packet.body, "error"); !error.empty()) exec.error = error;
    for (Fd& fd : packet.fds) exec.ends.push_back(std::move(fd));
  }

  void tell_exec(int64_t id) {
    Exec& exec = execs_[id];
    if (!std::exchange(exec.told, true)) {
      if (exec.error.empty())
        send({{"id", id}}, exec.ends);
      else
        refuse(id, exec.error);
      exec.ends.clear();
    }
    if (exec.running) return;
    if (exec.error.empty()) send({{"event", "exec_exited"}, {"id", id}, {"code", exec.code}});
    loop_.post([this, id] { execs_.erase(id); });  // its report's call may be what runs
  }

  void on_exec_exit(int64_t id, int code) {
    Exec& exec = execs_[id];
    exec.running = false;
    exec.code = code;
    if (exec.told) return tell_exec(id);
    exec.report->read_now();  // tells it, as the report has ended with the process
  }

  void exec_signal(int64_t id, int number) {
    auto found = execs_.find(id);
    if (found != execs_.end() && found->second.running) kill(found->second.pid, number);
  }

  net::Loop& loop_;
  Fd listening_;
  Children children_;
  std::unique_ptr<PacketChannel> channel_;
  std::map<std::string, std::unique_ptr<Container>> containers_;
  std::map<int64_t, Exec> execs_;
};

base::Result<base::Json> configuration() {
  std::string text;
  char block[4096];
  for (ssize_t n; (n = read(3, block, sizeof block)) > 0;) text.append(block, static_cast<size_t>(n));
  close(3);
  return base::parse_json(text);
}

base::Result<void> prepare(const base::Json& configuration) {
  TRY(own_mounts_and_proc());
  TRY(configure_pod_interfaces(string_at(configuration, "address")));
  std::string hostname = string_at(configuration, "hostname");
  if (sethostname(hostname.data(), hostname.size()) != 0)
    return std::unexpected(base::system_error("set the host name", errno));
  for (const base::Json& memory : items(configuration, "memory")) {
    std::string path = string_at(memory, "path"), options = "mode=1777,size=" + string_at(memory, "size");
    if (mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return std::unexpected(base::system_error("mount a tmpfs on " + path, errno));
  }
  return {};
}

base::Result<Fd> begin() {
  base::Json json = TRY(configuration());
  TRY(prepare(json));
  return listen_for_packets(string_at(json, "socket"));
}

}  // namespace

int shim() {
  prctl(PR_SET_NAME, "localkube-shim");
  auto listening = begin();
  if (!listening) {
    base::log::error("{}", listening.error().message);
    return 1;
  }
  net::Loop loop;
  Shim shim(loop, std::move(*listening));
  signal(SIGPIPE, SIG_IGN);
  if (write(4, "r", 1) != 1) return 1;
  close(4);
  loop.run();
  return 0;
}

}  // namespace localkube
