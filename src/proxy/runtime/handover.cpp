// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/handover.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "base/strings.h"
#include "proxy/runtime/process.h"

namespace proxy {
namespace {

constexpr size_t kFdsAMessage = 32;
constexpr auto kPatience = std::chrono::seconds(10);   // with a peer that does not answer, or does not read
constexpr auto kFirstWords = std::chrono::seconds(3);  // a successor asks at once
constexpr auto kSendAgain = std::chrono::milliseconds(5);
constexpr std::string_view kSockets = "sockets", kAdmin = "admin", kDrain = "drain", kTerminate = "terminate",
                           kSince = "since ", kDone = "done";

net::Address name_of(uint32_t base_id, uint32_t epoch) {
  return net::Address::unix_path("@seine-proxy-" + std::to_string(base_id) + "-" + std::to_string(epoch));
}

bool same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

bool send_message(int to, std::string_view text, std::span<const int> fds = {}) {
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsAMessage * sizeof(int))] = {};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  return sendmsg(to, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// The text, with the descriptors that came along; empty: the peer is gone, or this process cannot hold them all.
std::string receive_message(int from, std::vector<int>& fds) {
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsAMessage * sizeof(int))] = {};
  char text[256];
  iovec part{text, sizeof text};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); size > 0 && header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = fds.size();
    fds.resize(before + count);
    std::memcpy(fds.data() + before, CMSG_DATA(header), count * sizeof(int));
  }
  if (message.msg_flags & MSG_CTRUNC) return {};
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : std::string();
}

}  // namespace

// The process that takes over from this one.
struct Handover::Successor final : net::IoHandler {
  Successor(Handover& owner, int fd)
      : owner(owner),
        fd(fd),
        patience(owner.loop_, [this] { this->owner.lose_successor(); }),
        again(owner.loop_, [this] { send_sockets(); }) {
    patience.arm(kFirstWords);
  }
  ~Successor() {
    owner.loop_.remove(fd, *this);
    close(fd);
  }
  void on_io(uint32_t) override {
    std::vector<int> none;
    std::string command = receive_message(fd, none);
    for (int unwanted : none) close(unwanted);
    if (command.empty()) return owner.lose_successor();  // this is gone
    silent = false;
    owner.obey(command);
  }
  void send_sockets();

  Handover& owner;
  int fd;
  bool silent = true;
  std::pair<std::string, size_t> next;  // to be sent: an address, and from which of its sockets on
  net::Timer patience, again;
};

// A message an address, and as many as the peer has room for; the rest once it
// has read some. The sockets are the workers' own, so each time they are asked anew.
void Handover::Successor::send_sockets() {
  const auto sockets = owner.process_->listening_sockets();
  for (auto it = sockets.lower_bound(next.first); it != sockets.end(); ++it) {
    const auto& [address, fds] = *it;
    for (size_t at = address == next.first ? next.second : 0; at < fds.size(); at += kFdsAMessage) {
      const auto part = std::span(fds).subspan(at, std::min(kFdsAMessage, fds.size() - at));
      if (!send_message(fd, address, part)) return again.arm(kSendAgain);
      next = {address, at + kFdsAMessage};
      patience.arm(kPatience);
    }
  }
  const auto since = std::chrono::nanoseconds(owner.process_->first_started().time_since_epoch());
  if (!send_message(fd, std::string(kSince) + std::to_string(since.count())) || !send_message(fd, kDone))
    return again.arm(kSendAgain);
  patience.cancel();  // it may take its time to get ready
}

Handover::Handover(net::Loop& loop, Options options)
    : loop_(loop), options_(options), shutdown_(loop, [this] { end_predecessor(); }) {}

base::Result<std::unique_ptr<Handover>> Handover::make(net::Loop& loop, Options options) {
  std::unique_ptr<Handover> out(new Handover(loop, options));
  if (options.epoch > 0) {
    TRY(out->connect_to_predecessor());
    TRY(out->take_sockets());
  }
  out->listen();
  return out;
}

Handover::~Handover() {
  successor_.reset();
  for (const auto& [address, fd] : given_) close(fd);
  if (predecessor_ >= 0) close(predecessor_);
  if (listening_ < 0) return;
  loop_.remove(listening_, *this);
  close(listening_);
}

base::Result<void> Handover::connect_to_predecessor() {
  predecessor_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const net::Address address = name_of(options_.base_id, options_.epoch - 1);
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  setsockopt(predecessor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (predecessor_ < 0 || connect(predecessor_, address.data(), address.size()) != 0)
    return base::fail(base::ErrorKind::Unavailable, "--restart-epoch " + std::to_string(options_.epoch) +
                                                        ": no proxy of epoch " + std::to_string(options_.epoch - 1) +
                                                        " with base id " + std::to_string(options_.base_id) +
                                                        " runs here: " + std::strerror(errno));
  if (!same_user(predecessor_))
    return base::fail(base::ErrorKind::Invalid, "the proxy of the epoch before is another user's");
  return {};
}

base::Result<void> Handover::take_sockets() {
  auto broken = [] {
    return base::fail(
        base::ErrorKind::Unavailable,
        "the proxy of the epoch before does not hand over its sockets, or they are more than this process "
        "may have open");
  };
  std::vector<int> fds;
  if (!send_message(predecessor_, kAdmin) || receive_message(predecessor_, fds) != kDone) return broken();
  if (!send_message(predecessor_, kSockets)) return broken();
  for (;;) {
    fds.clear();
    const std::string text = receive_message(predecessor_, fds);
    if (text == kDone) return {};
    if (text.starts_with(kSince)) {  // of the machine's own clock, which both read
      since_ = std::chrono::steady_clock::time_point(
          std::chrono::nanoseconds(base::parse_number<int64_t>(text.substr(kSince.size())).value_or(0)));
      continue;
    }
    auto address = net::Address::parse_host_port(text);
    for (int fd : fds) {
      if (address)
        given_.emplace_back(*address, fd);
      else
        close(fd);
    }
    if (text.empty() || !address) return broken();
  }
}

void Handover::listen() {
  const net::Address address = name_of(options_.base_id, options_.epoch);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (bind(fd, address.data(), address.size()) != 0 || ::listen(fd, 4) != 0 || !loop_.add(fd, EPOLLIN, *this)) {
    base::log::warn("no successor can take over from this process: base id {} and epoch {} are another's",
                    options_.base_id, options_.epoch);
    close(fd);
    return;
  }
  listening_ = fd;
}

std::vector<int> Handover::take(const net::Address& address) {
  std::vector<int> out;
  std::erase_if(given_, [&](const auto& one) {
    if (one.first != address) return false;
    out.push_back(one.second);
    return true;
  });
  return out;
}

void Handover::serve(Process& process, std::function<void()> on_end) {
  process_ = &process;
  if (since_) process.set_first_started(*since_);
  on_end_ = std::move(on_end);
}

void Handover::ready() {
  for (const auto& [address, fd] : given_) close(fd);  // listeners that are no more
  given_.clear();
  if (predecessor_ < 0) return;
  base::log::info("this process serves; the one before drains");
  send_message(predecessor_, kDrain);
  shutdown_.arm(options_.parent_shutdown);
}

void Handover::end_predecessor() {
  send_message(predecessor_, kTerminate);
  close(std::exchange(predecessor_, -1));
}

// One successor at a time; one that has said nothing yet gives way.
void Handover::on_io(uint32_t) {
  const int fd = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (!same_user(fd) || !process_ || (successor_ && !successor_->silent)) {
    close(fd);
    return;
  }
  successor_ = std::make_unique<Successor>(*this, fd);
  if (!loop_.add(fd, EPOLLIN, *successor_)) successor_.reset();
}

void Handover::lose_successor() {
  successor_.reset();
  if (draining_) return;
  base::log::info("no successor takes over: the one that came is gone, or did not go on");
  process_->open_admin();
}

void Handover::obey(std::string_view command) {
  if (command == kAdmin) {
    process_->close_admin();
    send_message(successor_->fd, kDone);
  } else if (command == kSockets) {
    successor_->next = {};
    successor_->send_sockets();
  } else if (command == kDrain && !draining_) {
    draining_ = true;
    base::log::info("a successor serves; draining");
    net::spawn(drain(loop_, *process_, terminate_, on_end_));
  } else if (command == kTerminate) {
    *terminate_ = true;
  }
}

net::Task<void> Handover::drain(net::Loop& loop, Process& process, std::shared_ptr<bool> terminate,
                                std::function<void()> on_end) {
  process.retire();
  co_await net::sleep(loop, std::chrono::milliseconds(100));
  while (!*terminate && process.sessions()) co_await net::sleep(loop, std::chrono::milliseconds(100));
  base::log::info("drained");
  on_end();
}

}  // namespace proxy
