// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/packets.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "base/log.h"
#include "localkube/process/files.h"

namespace localkube {

base::Result<void> send_packet(int socket, const base::Json& body, const std::vector<int>& fds) {
  std::string text = body.dump(-1, ' ', false, base::Json::error_handler_t::replace);
  if (text.size() > kMaxPacket || fds.size() > kMaxPacketFds)
    return base::fail(base::ErrorKind::Invalid, "a packet of " + std::to_string(text.size()) + " bytes is too large");
  iovec piece{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) return std::unexpected(base::system_error("send", errno));
  return {};
}

base::Result<std::optional<Packet>> receive_packet(int socket) {
  std::string text(kMaxPacket, '\0');
  iovec piece{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return base::fail(base::ErrorKind::Timeout, "no packet");
  if (n < 0 && errno != ECONNRESET) return std::unexpected(base::system_error("receive", errno));
  if (n <= 0) return std::optional<Packet>();
  Packet packet;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof fd);
      packet.fds.emplace_back(fd);
    }
  }
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return base::fail(base::ErrorKind::Invalid, "a packet was cut");
  packet.body = TRY(base::parse_json(std::string_view(text).substr(0, static_cast<size_t>(n))));
  return std::optional(std::move(packet));
}

base::Result<std::pair<Fd, Fd>> packet_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return std::unexpected(base::system_error("socketpair", errno));
  return std::pair(Fd(ends[0]), Fd(ends[1]));
}

static base::Result<std::pair<Fd, sockaddr_un>> unix_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return base::fail(base::ErrorKind::Invalid, "socket path too long: " + path);
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return std::unexpected(base::system_error("socket", errno));
  return std::pair(std::move(socket), address);
}

base::Result<Fd> listen_for_packets(const std::string& path) {
  auto [socket, address] = TRY(unix_socket(path));
  unlink(path.c_str());
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(base::system_error("bind " + path, errno));
  chmod(path.c_str(), 0600);
  if (listen(socket.get(), 16) != 0) return std::unexpected(base::system_error("listen " + path, errno));
  return std::move(socket);
}

base::Result<Fd> connect_for_packets(const std::string& path) {
  auto [socket, address] = TRY(unix_socket(path));
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(base::system_error("connect " + path, errno));
  return std::move(socket);
}

base::Result<Fd> memory_file(std::string_view bytes) {
  Fd file(memfd_create("packet", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return std::unexpected(base::system_error("memfd", errno));
  TRY(write_all(file.get(), bytes));
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return file;
}

base::Result<std::string> bytes_of(const Fd& memory_file) {
  struct stat status{};
  if (fstat(memory_file.get(), &status) != 0) return std::unexpected(base::system_error("fstat", errno));
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  for (size_t at = 0; at < bytes.size();) {
    ssize_t n = pread(memory_file.get(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n <= 0) return std::unexpected(base::system_error("read", errno));
    at += static_cast<size_t>(n);
  }
  return bytes;
}

PacketChannel::PacketChannel(net::Loop& loop, Fd socket, Calls calls)
    : loop_(loop), socket_(std::move(socket)), calls_(std::make_shared<Calls>(std::move(calls))) {
  set_blocking(socket_.get(), false);
  if (auto added = loop_.add(socket_.get(), EPOLLIN, *this); !added)
    base::log::error("channel: {}", added.error().message);
}

PacketChannel::~PacketChannel() {
  *alive_ = false;
  if (socket_) loop_.remove(socket_.get(), *this);
}

bool PacketChannel::send(const base::Json& body, const std::vector<int>& fds) {
  if (!socket_) return false;
  auto sent = send_packet(socket_.get(), body, fds);
  if (!sent) base::log::warn("channel: {}", sent.error().message);
  return sent.has_value();
}

bool PacketChannel::try_send(const base::Json& body) { return socket_ && send_packet(socket_.get(), body).has_value(); }

void PacketChannel::on_io(uint32_t) {
  auto alive = alive_;
  auto calls = calls_;
  while (*alive && socket_) {
    auto packet = receive_packet(socket_.get());
    if (!packet && packet.error().kind == base::ErrorKind::Timeout) return;
    if (!packet || !*packet) return end();
    calls->packet(std::move(**packet));
  }
}

void PacketChannel::end() {
  loop_.remove(socket_.get(), *this);
  socket_.reset();
  auto calls = calls_;
  if (calls->closed) calls->closed();
}

}  // namespace localkube
