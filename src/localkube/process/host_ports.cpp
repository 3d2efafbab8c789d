// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/host_ports.h"

#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "localkube/fields.h"
#include "localkube/process/files.h"

namespace localkube {

static constexpr size_t kMostKeys = 256;  // as many as go safely into one packet
static constexpr std::chrono::milliseconds kWriteDelay{100};

HostPorts::HostPorts(net::Loop& loop, std::filesystem::path remembered)
    : remembered_path_(std::move(remembered)), remembered_(base::Json::object()), writing_(loop, [this] { write(); }) {
  auto text = base::read_file(remembered_path_);
  if (!text) return;
  auto json = base::parse_json(*text);
  if (json && json->is_object()) remembered_ = std::move(*json);
}

HostPorts::~HostPorts() {
  if (writing_.armed()) write();
}

static base::Result<Fd> listen_on(const net::Address& address) {
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(base::system_error("socket", errno));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), address.data(), address.size()) != 0)
    return std::unexpected(base::system_error("bind " + address.text(), errno));
  if (listen(fd.get(), 1024) != 0) return std::unexpected(base::system_error("listen on " + address.text(), errno));
  return fd;
}

base::Result<const HostPorts::Open*> HostPorts::open(const std::string& key,
                                                     const std::vector<net::Address>& candidates) {
  if (auto found = open_.find(key); found != open_.end()) return &found->second;
  if (candidates.empty()) return base::fail(base::ErrorKind::Invalid, "no address to listen on for " + key);
  std::vector<net::Address> order = candidates;
  if (auto before = net::Address::parse_host_port(base::text(remembered_, key));
      before && before->ip() == candidates[0].ip())
    order.insert(order.begin(), *before);
  constexpr int kFurther = 100;
  for (int i = 1; i <= kFurther && candidates.back().port() + i < 65536; i++)
    order.push_back(candidates.back().with_port(static_cast<uint16_t>(candidates.back().port() + i)));
  base::Error last;
  for (const net::Address& address : order) {
    auto socket = listen_on(address);
    if (!socket) {
      last = std::move(socket.error());
      continue;
    }
    if (address != candidates[0])
      base::log::warn("{}: {} is taken, using {}", key, candidates[0].text(), address.text());
    remember(key, address.text());
    return &(open_[key] = Open{.socket = std::move(*socket), .address = address.text()});
  }
  return std::unexpected(std::move(last));
}

void HostPorts::remember(const std::string& key, const std::string& address) {
  if (base::text(remembered_, key) == address) return;
  remembered_[key] = address;
  if (!writing_.armed()) writing_.arm(kWriteDelay);
}

void HostPorts::forget(const std::string& key) {
  open_.erase(key);
  if (remembered_.erase(key) > 0 && !writing_.armed()) writing_.arm(kWriteDelay);
}

base::Json HostPorts::keys_after(const std::string& key) const {
  base::Json keys = base::Json::array();
  const auto& all = remembered_.get_ref<const base::Json::object_t&>();
  for (auto at = all.upper_bound(key); at != all.end() && keys.size() < kMostKeys; ++at) keys.push_back(at->first);
  return keys;
}

void HostPorts::write() {
  if (auto written = write_file(remembered_path_, remembered_.dump(2) + "\n", 0644); !written)
    base::log::warn("{}", written.error().message);
}

void HostPorts::answer(PacketChannel& channel, const base::Json& request) {
  std::string op(base::text(request, "op")), key(base::text(request, "key"));
  if (op == "close") {
    if (const base::Json* keys = base::find(request, "keys"); keys && keys->is_array())
      for (const base::Json& one : *keys) forget(one.is_string() ? one.get<std::string>() : "");
    return;
  }
  base::Json reply = {{"id", number(request, "id")}};
  if (op == "keys") {
    reply["keys"] = keys_after(std::string(base::text(request, "after")));
    channel.send(reply);
    return;
  }
  if (op == "datagrams") {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    channel.send(reply, {socket.get()});
    return;
  }
  std::vector<net::Address> candidates;
  if (const base::Json* wanted = base::find(request, "candidates"); wanted && wanted->is_array())
    for (const base::Json& text : *wanted)
      if (auto address = net::Address::parse_host_port(text.is_string() ? text.get<std::string>() : ""))
        candidates.push_back(*address);
  auto opened = open(key, candidates);
  if (!opened) {
    reply["error"] = opened.error().message;
    channel.send(reply);
    return;
  }
  reply["address"] = (*opened)->address;
  channel.send(reply, {(*opened)->socket.get()});
}

// A serve that starts again must not take answers meant for the one before it.
HostPortsClient::HostPortsClient(net::Loop& loop, Fd channel)
    : last_id_(int64_t{getpid()} << 32),
      channel_(loop, std::move(channel),
               {.packet = [this](Packet packet) { on_packet(std::move(packet)); }, .closed = [] {}}),
      again_(loop, [this] { send_closed(); }) {}

void HostPortsClient::on_packet(Packet packet) {
  auto found = asked_.find(number(packet.body, "id"));
  if (found == asked_.end()) return;
  auto answered = found->second;
  asked_.erase(found);
  answered.set(std::make_shared<Packet>(std::move(packet)));
}

net::Task<base::Result<Packet>> HostPortsClient::ask(base::Json request) {
  int64_t id = ++last_id_;
  request["id"] = id;
  net::Oneshot<std::shared_ptr<Packet>> answered;
  asked_[id] = answered;
  if (!channel_.send(request)) {
    asked_.erase(id);
    co_return base::fail(base::ErrorKind::Closed, "the process that opens host ports has gone");
  }
  std::shared_ptr<Packet> packet = co_await answered.wait();
  if (auto error = base::text(packet->body, "error"); !error.empty())
    co_return base::fail(base::ErrorKind::Unavailable, std::string(error));
  co_return std::move(*packet);
}

net::Task<base::Result<Packet>> HostPortsClient::ask_for_socket(base::Json request) {
  auto packet = co_await ask(std::move(request));
  if (packet && packet->fds.empty()) co_return base::fail(base::ErrorKind::Internal, "an answer without a socket");
  co_return packet;
}

net::Task<base::Result<HostPortsClient::Opened>> HostPortsClient::listen(std::string key,
                                                                         std::vector<std::string> candidates) {
  std::erase(closing_, key);
  base::Json request = {{"op", "listen"}, {"key", key}, {"candidates", candidates}};
  auto packet = co_await ask_for_socket(std::move(request));
  if (!packet) co_return std::unexpected(std::move(packet.error()));
  auto address = net::Address::parse_host_port(base::text(packet->body, "address"));
  if (!address) co_return std::unexpected(std::move(address.error()));
  Opened opened{.socket = std::move(packet->fds[0]), .address = *address};
  co_return std::move(opened);
}

net::Task<base::Result<Fd>> HostPortsClient::datagrams() {
  base::Json request = {{"op", "datagrams"}};
  auto packet = co_await ask_for_socket(std::move(request));
  if (!packet) co_return std::unexpected(std::move(packet.error()));
  co_return std::move(packet->fds[0]);
}

net::Task<base::Result<std::vector<std::string>>> HostPortsClient::keys(std::string after) {
  base::Json request = {{"op", "keys"}, {"after", after}};
  auto packet = co_await ask(std::move(request));
  if (!packet) co_return std::unexpected(std::move(packet.error()));
  std::vector<std::string> keys;
  for (const base::Json& key : items(packet->body, "keys"))
    if (key.is_string()) keys.push_back(key.get<std::string>());
  co_return std::move(keys);
}

void HostPortsClient::close(const std::string& key) {
  closing_.push_back(key);
  send_closed();
}

// A socket that is full is tried again.
void HostPortsClient::send_closed() {
  constexpr std::chrono::milliseconds kPause{20};
  while (!closing_.empty() && channel_.open()) {
    auto end = closing_.begin() + static_cast<std::ptrdiff_t>(std::min(closing_.size(), kMostKeys));
    if (!channel_.try_send({{"op", "close"}, {"keys", std::vector<std::string>(closing_.begin(), end)}}))
      return again_.arm(kPause);
    closing_.erase(closing_.begin(), end);
  }
}

}  // namespace localkube
