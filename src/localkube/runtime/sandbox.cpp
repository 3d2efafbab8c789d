// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "base/file.h"
#include "base/log.h"
#include "localkube/fields.h"
#include "localkube/process/files.h"
#include "localkube/process/spawn.h"
#include "localkube/shim/pump.h"

namespace localkube {

using base::ErrorKind;

static constexpr int kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC;

std::string pod_directory(std::string_view uid) { return "pods/" + std::string(uid); }
static std::string socket_of(const std::string& uid) { return pod_directory(uid) + "/shim.sock"; }
static std::string record_of(const std::string& uid) { return pod_directory(uid) + "/shim.json"; }

static int64_t next_id() {
  static int64_t last = int64_t{getpid()} << 32;  // ids of a serve before this one must not come again
  return ++last;
}

static base::Result<pid_t> spawn_shim(PodNetwork& network, const std::string& address, Fd configuration, Fd ready) {
  pid_t pid = TRY(spawn_self({.argv = {"shim"}, .namespaces = kNamespaces, .fds = {configuration.get(), ready.get()}}));
  Fd ns(open(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  auto attached =
      ns ? network.attach(address, ns.get()) : std::unexpected(base::system_error("open the pod's network", errno));
  if (!attached) {
    kill(pid, SIGKILL);
    return std::unexpected(std::move(attached.error()));
  }
  return pid;
}

static net::Task<bool> byte_from(net::Loop& loop, Fd pipe) {
  net::Oneshot<bool> came;
  PipeReader reader(loop, std::move(pipe),
                    {.data = [came](std::string_view) { came.set(true); }, .ended = [came] { came.set(false); }});
  bool result = co_await came.wait();
  co_return result;
}

net::Task<Sandbox::Started> Sandbox::start(Node& node, Order order) {
  std::unique_ptr<Sandbox> sandbox(new Sandbox(node, order.uid));
  CO_TRY(make_directory(pod_directory(order.uid) + "/root", 0700));
  auto address = node.network.take_address();
  if (!address) co_return std::unexpected(std::move(address.error()));
  sandbox->address_ = *address;
  auto configuration = make_pipe(), ready = make_pipe();
  if (!configuration || !ready) co_return base::fail(ErrorKind::Exhausted, "no more pipes");
  Fd configure = std::move(configuration->second), is_ready = std::move(ready->first);
  auto pid = spawn_shim(node.network, *address, std::move(configuration->first), std::move(ready->second));
  if (!pid) co_return std::unexpected(std::move(pid.error()));
  sandbox->pid_ = *pid;
  base::Json told = {{"address", *address},
                     {"hostname", order.hostname},
                     {"socket", socket_of(order.uid)},
                     {"memory", order.memory_volumes}};
  CO_TRY(write_all(configure.get(), told.dump()));
  configure.reset();
  base::Json record = {
      {"epoch", node.epoch}, {"pid", *pid}, {"start", start_time(*pid).value_or(0)}, {"address", *address}};
  CO_TRY(write_file(record_of(order.uid), record.dump()));
  bool came = co_await byte_from(node.loop, std::move(is_ready));
  if (!came) co_return base::fail(ErrorKind::Internal, "the pod's shim ended at its start; see the log of localkube");
  auto connected = co_await sandbox->connect();
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  co_return std::move(sandbox);
}

net::Task<Sandbox::Started> Sandbox::adopt(Node& node, std::string uid) {
  std::unique_ptr<Sandbox> sandbox(new Sandbox(node, uid));
  auto text = base::read_file(record_of(uid));
  if (!text) co_return std::unexpected(std::move(text.error()));
  auto record = CO_TRY(base::parse_json(*text));
  auto pid = static_cast<pid_t>(number(record, "pid"));
  bool same =
      string_at(record, "epoch") == node.epoch && start_time(pid) == static_cast<uint64_t>(number(record, "start"));
  if (!same) co_return base::fail(ErrorKind::NotFound, "the pod's processes are gone");
  sandbox->pid_ = pid;
  sandbox->address_ = string_at(record, "address");
  node.network.claim_address(sandbox->address_);
  auto connected = co_await sandbox->connect();
  if (!connected) {
    kill(pid, SIGKILL);
    co_return base::fail(ErrorKind::NotFound, connected.error().message);
  }
  co_return std::move(sandbox);
}

Sandbox::~Sandbox() {
  if (!address_.empty()) node_.network.release_address(address_);
}

net::Task<base::Result<void>> Sandbox::connect() {
  auto socket = connect_for_packets(socket_of(uid_));
  if (!socket) co_return std::unexpected(std::move(socket.error()));
  channel_ = std::make_unique<PacketChannel>(
      node_.loop, std::move(*socket),
      PacketChannel::Calls{.packet = [this](Packet packet) { on_packet(std::move(packet)); },
                           .closed = [this] { on_closed(); }});
  bool there = co_await connected_.wait();
  if (!there) co_return base::fail(ErrorKind::Closed, "the pod's shim has gone");
  co_return base::Result<void>();
}

static Sandbox::State state_of(const base::Json& json) {
  return {.container = string_at(json, "container"),
          .attempt = static_cast<int>(number(json, "attempt")),
          .running = truth(json, "running"),
          .code = static_cast<int>(number(json, "code")),
          .started_ms = number(json, "started"),
          .finished_ms = number(json, "finished")};
}

void Sandbox::on_packet(Packet packet) {
  std::string event = string_at(packet.body, "event");
  int64_t id = number(packet.body, "id");
  if (event == "state") {
    for (const base::Json& state : items(packet.body, "containers")) states_.push_back(state_of(state));
    return connected_.set(true);
  }
  if (event == "exited") {
    if (calls_.exited) calls_.exited(state_of(packet.body));
    return;
  }
  if (event == "exec_exited") {
    auto found = execs_.find(id);
    if (found == execs_.end()) return;
    auto exited = found->second;
    execs_.erase(found);
    return exited.set(static_cast<int>(number(packet.body, "code")));
  }
  auto found = asked_.find(id);
  if (found == asked_.end()) return;
  auto answered = found->second;
  asked_.erase(found);
  answered.set(std::make_shared<Packet>(std::move(packet)));
}

void Sandbox::on_closed() {
  auto asked = std::exchange(asked_, {});
  auto execs = std::exchange(execs_, {});
  auto died = std::exchange(calls_, {}).died;
  auto closed = closed_;
  connected_.set(false);
  for (auto& [id, answered] : asked) answered.set(nullptr);
  for (auto& [id, exited] : execs) exited.set(137);
  closed.set(true);
  if (died) died();
}

net::Task<base::Result<std::shared_ptr<Packet>>> Sandbox::ask(base::Json request, Fd attached) {
  if (!base::find(request, "id")) request["id"] = next_id();
  int64_t id = number(request, "id");
  net::Oneshot<std::shared_ptr<Packet>> answered;
  asked_[id] = answered;
  std::vector<int> fds;
  if (attached) fds.push_back(attached.get());
  if (!channel_->send(request, fds)) {
    asked_.erase(id);
    co_return base::fail(ErrorKind::Closed, "the pod has ended");
  }
  std::shared_ptr<Packet> packet = co_await answered.wait();
  if (!packet) co_return base::fail(ErrorKind::Closed, "the pod has ended");
  if (auto error = base::text(packet->body, "error"); !error.empty())
    co_return base::fail(ErrorKind::Invalid, std::string(error));
  co_return packet;
}

net::Task<base::Result<void>> Sandbox::start_container(ContainerSpec spec) {
  auto file = memory_file(json_of(spec).dump(-1, ' ', false, base::Json::error_handler_t::replace));
  if (!file) co_return std::unexpected(std::move(file.error()));
  base::Json request = {{"op", "start"}};
  auto answer = co_await ask(std::move(request), std::move(*file));
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  co_return base::Result<void>();
}

void Sandbox::signal(const std::string& container, int number) {
  channel_->send({{"op", "signal"}, {"container", container}, {"signal", number}});
}

net::Task<base::Result<Sandbox::Session>> Sandbox::exec(ExecOrder order) {
  // The exit may come with the answer, so who waits for it is noted by then.
  net::Oneshot<int> exited;
  int64_t id = next_id();
  execs_[id] = exited;
  base::Json request = {{"op", "exec"},       {"id", id},         {"container", order.container},
                        {"argv", order.argv}, {"tty", order.tty}, {"in", order.in}};
  auto answer = co_await ask(std::move(request), Fd());
  if (!answer) {
    execs_.erase(id);
    co_return std::unexpected(std::move(answer.error()));
  }
  Session session{.id = id, .ends = std::move((*answer)->fds), .exited = exited};
  co_return std::move(session);
}

net::Task<base::Result<Sandbox::Session>> Sandbox::attach(std::string container, bool with_input) {
  base::Json request = {{"op", "attach"}, {"container", container}, {"in", with_input}};
  auto answer = co_await ask(std::move(request), Fd());
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  Session session{.ends = std::move((*answer)->fds)};
  co_return std::move(session);
}

net::Task<base::Result<Fd>> Sandbox::connect_to(uint16_t port) {
  base::Json request = {{"op", "connect"}, {"port", port}};
  auto answer = co_await ask(std::move(request), Fd());
  if (!answer) co_return std::unexpected(std::move(answer.error()));
  if ((*answer)->fds.empty()) co_return base::fail(ErrorKind::Internal, "an answer without a socket");
  co_return std::move((*answer)->fds[0]);
}

void Sandbox::signal_exec(int64_t id, int number) {
  channel_->send({{"op", "exec_signal"}, {"id", id}, {"signal", number}});
}

void Sandbox::resize(const std::string& container, int rows, int columns) {
  channel_->send({{"op", "resize"}, {"container", container}, {"rows", rows}, {"columns", columns}});
}

net::Task<void> Sandbox::end() {
  calls_ = {};
  if (channel_->open()) {
    kill(pid_, SIGKILL);
    auto closed = closed_;
    (void)co_await closed.wait();
  }
  unlink(record_of(uid_).c_str());
}

}  // namespace localkube
