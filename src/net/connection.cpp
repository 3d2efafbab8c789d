// SPDX-License-Identifier: Apache-2.0
#include "net/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>

#include "net/connection_tls.h"

// A flag on the stack outlives what is pointed at, never the reverse: GCC 12
// cannot see that the destructor is what clears the pointer.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif

namespace net {
namespace {

constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
constexpr auto kLastSend = std::chrono::seconds(30);
constexpr int kReadsATurn = 4;       // then the other connections get their turn
constexpr size_t kLeastRoom = 4096;  // behind bytes that were not consumed

}  // namespace

// The flag is on the stack of the loop's way in: a callback may destroy the
// connection, and everything below then leaves without touching it.
class Connection::Guard {
 public:
  explicit Guard(Connection& connection) : connection_(connection) { connection_.gone_ = &gone_; }
  ~Guard() {
    if (!gone_) connection_.gone_ = nullptr;
  }

 private:
  Connection& connection_;
  bool gone_ = false;
};

Connection::Connection(Loop& loop, Handler& handler)
    : loop_(loop), handler_(&handler), deferred_(loop, &run_deferred, this) {}

Connection::~Connection() {
  if (gone_) *gone_ = true;
  close();
}

base::Result<void> Connection::adopt(int fd, const Address& peer) {
  fd_ = fd;
  remote_ = peer;
  writable_ = true;
  auto added = loop_.add(fd, kEvents, *this);
  if (!added) drop_socket();
  return added;
}

base::Result<void> Connection::open_socket(const Target& target) {
  const int on = 1;
  fd_ = socket(target.address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return std::unexpected(base::system_error("socket", errno));
  if (!target.address.is_unix()) setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (target.mark && setsockopt(fd_, SOL_SOCKET, SO_MARK, &target.mark, sizeof target.mark) != 0) {
    return std::unexpected(base::system_error("SO_MARK", errno));
  }
  if (target.transparent && setsockopt(fd_, SOL_IP, IP_TRANSPARENT, &on, sizeof on) != 0) {
    return std::unexpected(base::system_error("IP_TRANSPARENT", errno));
  }
  if (target.freebind && setsockopt(fd_, SOL_IP, IP_FREEBIND, &on, sizeof on) != 0) {
    return std::unexpected(base::system_error("IP_FREEBIND", errno));
  }
  if (target.keepalive.on && !target.address.is_unix()) {
    auto set = [&](int level, int option, uint32_t value) {
      if (value) setsockopt(fd_, level, option, &value, sizeof value);
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPCNT, target.keepalive.probes);
    set(IPPROTO_TCP, TCP_KEEPIDLE, target.keepalive.time);
    set(IPPROTO_TCP, TCP_KEEPINTVL, target.keepalive.interval);
  }
  if (target.source.valid()) {
    // Leaves the choice of the port to connect(), so that many peers can share one.
    if (target.source.port() == 0) setsockopt(fd_, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd_, target.source.data(), target.source.size()) != 0) {
      return std::unexpected(base::system_error("bind " + target.source.text(), errno));
    }
  }
  if (::connect(fd_, target.address.data(), target.address.size()) != 0 && errno != EINPROGRESS && errno != EINTR) {
    return std::unexpected(base::system_error("connect to " + target.address.text(), errno));
  }
  return loop_.add(fd_, kEvents, *this);
}

base::Result<void> Connection::connect(const Target& target) {
  remote_ = target.address;
  auto opened = open_socket(target);
  if (!opened) {
    drop_socket();
    return opened;
  }
  connecting_ = true;
  set_deadline(target.timeout, "connect");
  return {};
}

bool Connection::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error) {
    base::Error refused = base::system_error("connect to " + remote_.text(), error);
    refused.kind = base::ErrorKind::Unavailable;
    refused.retryable = true;
    fail(std::move(refused));
    return false;
  }
  connecting_ = false;
  writable_ = true;
  if (pending()) deferred_.schedule();
  if (tls_state_ == TlsState::Handshake) return handshake();
  deadline_.reset();
  bool* gone = gone_;
  handler_->on_ready(*this);
  return !*gone && open();
}

void Connection::on_io(uint32_t events) {
  Guard guard(*this);
  bool* gone = gone_;
  if (connecting_ && (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) || !finish_connect())) return;
  if ((events & EPOLLERR) && ends_at_reset_ && !connecting_ && !closes() && tls_state_ != TlsState::Handshake) {
    read_errno_ = ECONNRESET;
    return fail(read_error());
  }
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    readable_ = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) hung_up_ = true;
    if (!paused_ || closes() || tls_state_ == TlsState::Handshake) {
      read();
      if (*gone || !open()) return;
    }
  }
  if ((events & EPOLLOUT) && !writable_) {
    writable_ = true;
    flush();
  }
}

void Connection::run_deferred(void* self) {
  auto& connection = *static_cast<Connection*>(self);
  if (!connection.open()) return;
  Guard guard(connection);
  bool* gone = connection.gone_;
  if (connection.read_again_) {
    connection.read_again_ = false;
    if (std::exchange(connection.data_owed_, false) && !connection.paused_ && !connection.input_.empty() &&
        connection.tls_state_ != TlsState::Handshake && !connection.closes()) {
      connection.handler_->on_data(connection);
      if (*gone || !connection.open()) return;
      connection.input_.recycle();
    }
    connection.read();
    if (*gone || !connection.open()) return;
  }
  connection.flush();
}

void Connection::read() {
  if (connecting_) return;
  bool* gone = gone_;
  if (tls_state_ == TlsState::Handshake && !handshake()) return;
  if (ending_ == Ending::Close) return;
  if (ending_ == Ending::Linger) return read_and_drop();
  for (int i = 0; !paused_ && !peer_ended_; ++i) {
    if (i == kReadsATurn) {
      read_again_ = true;
      deferred_.schedule();
      return;
    }
    const Got got = tls_state_ == TlsState::Open ? read_tls() : read_plain();
    if (got == Got::Failed) return fail(read_error());
    if (got == Got::End) peer_ended_ = true;
    if (got == Got::Nothing) {
      input_.recycle();
      if (write_errno_ && input_.size() < input_limit_) return fail(read_error());
      return;
    }
    if (got != Got::Data) break;
    handler_->on_data(*this);
    if (*gone || !open()) return;
    input_.recycle();
    if (tls_state_ == TlsState::Handshake || closes()) return;  // begun by on_data; goes on deferred
    if (tls_state_ == TlsState::None && !readable_) return;
  }
  if (!peer_ended_ || end_told_ || paused_) return;
  if (std::exchange(data_owed_, false) && !input_.empty()) {  // what a handler before this one left comes first
    handler_->on_data(*this);
    if (*gone || !open() || closes() || paused_) return;
  }
  input_.recycle();
  if (write_errno_) return fail(read_error());
  end_told_ = true;
  handler_->on_end(*this);
  if (*gone || !open()) return;
  if (end_sent_) fail({base::ErrorKind::Closed, "both sides ended the connection"});
}

Connection::Got Connection::read_plain() {
  if (!readable_ || input_.size() >= input_limit_) return Got::Nothing;
  input_.prepare(!input_.empty() ? kLeastRoom : bulk_ ? Buffer::kLargeBlock : Buffer::kSmallBlock);
  const size_t room = input_.room();
  const ssize_t count = recv(fd_, input_.data() + input_.size(), room, 0);
  if (count > 0) {
    const auto size = static_cast<size_t>(count);
    input_.commit(size);
    received_ += size;
    bulk_ = size == room;
    if (!bulk_ && !hung_up_) readable_ = false;  // the next byte is a new edge
    return Got::Data;
  }
  if (count == 0) return Got::End;
  if (errno == EAGAIN || errno == EINTR) {
    readable_ = errno == EINTR;
    return Got::Nothing;
  }
  read_errno_ = errno;
  return Got::Failed;
}

void Connection::read_and_drop() {
  char scratch[16 * 1024];
  for (int i = 0; i < 2 * kReadsATurn; ++i) {
    const ssize_t count = recv(fd_, scratch, sizeof scratch, 0);
    if (count > 0) continue;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
      readable_ = false;
      return;
    }
    if (count == 0 && !end_sent_) {
      peer_ended_ = true;  // there may be something left to send to it
      return;
    }
    return fail({base::ErrorKind::Closed, "both sides ended the connection"});
  }
  read_again_ = true;
  deferred_.schedule();
}

// False also where the kernel takes no more for now.
bool Connection::send(Buffer& bytes) {
  while (!bytes.empty()) {
    if (!writable_) return false;
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      writable_ = false;
      if (errno != EAGAIN) write_failed(errno);
      return false;
    }
    if (&bytes == &output_) sent_ += static_cast<uint64_t>(count);
    if (static_cast<size_t>(count) < bytes.size()) writable_ = false;
    bytes.consume(static_cast<size_t>(count));
  }
  bytes.recycle();
  return true;
}

// A failure shows again, and is told, when flush() sends.
size_t Connection::send_through(std::string_view bytes) {
  if (tls_state_ != TlsState::None || connecting_ || !writable_ || choked_ || write_errno_) return 0;
  iovec parts[] = {{output_.data(), output_.size()}, {const_cast<char*>(bytes.data()), bytes.size()}};
  const msghdr message{.msg_iov = parts, .msg_iovlen = 2};
  const ssize_t count = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (count <= 0) return 0;
  sent_ += static_cast<uint64_t>(count);
  const size_t before = std::min(output_.size(), static_cast<size_t>(count));
  output_.consume(before);
  output_.recycle();
  const size_t passed = static_cast<size_t>(count) - before;
  if (passed < bytes.size()) writable_ = false;
  return passed;
}

void Connection::flush() {
  if (connecting_) return;
  bool* gone = gone_;
  if (write_errno_) {
    output_.clear();
    sealed_.clear();
  }
  if (tls_state_ == TlsState::None) {
    send(output_);
  } else if (send(sealed_) && tls_state_ == TlsState::Open) {
    while (!output_.empty()) {
      seal();
      if (output_.empty() && ending_ == Ending::Close) tls_notify_end();  // in the same call of send()
      if (!send(sealed_)) break;
    }
    output_.recycle();
  }
  if (*gone || !open()) return;
  if (choked_ && pending() <= low_mark_) {
    choked_ = false;
    handler_->on_drained(*this);
    if (*gone || !open()) return;
  }
  if (ending_ == Ending::None || end_sent_) return;
  if (pending() == 0) return send_end();
  if (ending_ == Ending::Close && !deadline_) set_deadline(kLastSend, "the last write");
}

void Connection::send_end() {
  if (tls_state_ == TlsState::Handshake) return;
  if (tls_state_ == TlsState::Open && tls_notify_end() && !send(sealed_)) return;
  end_sent_ = true;
  if (ending_ == Ending::Close) return fail({base::ErrorKind::Closed, "this side ended the connection"});
  ::shutdown(fd_, SHUT_WR);
  if (end_told_ || (ending_ == Ending::Linger && peer_ended_)) {
    fail({base::ErrorKind::Closed, "both sides ended the connection"});
  }
}

// The peer may have answered before it stopped reading: a handler that reads
// gets that first, and the failure when there is nothing more, as there is
// after the peer's end.
void Connection::write_failed(int error_number) {
  write_errno_ = error_number;
  output_.clear();
  sealed_.clear();
  if (paused_ || end_told_ || closes() || tls_state_ == TlsState::Handshake) {
    fail(read_error());
    return;
  }
  readable_ = hung_up_ = read_again_ = true;
  deferred_.schedule();
}

void Connection::resume_reading() {
  paused_ = false;
  if (!open()) return;
  if (!input_.empty()) data_owed_ = true;
  if (!data_owed_ && !readable_ && !tls_ && !(peer_ended_ && !end_told_)) return;
  read_again_ = true;
  deferred_.schedule();
}

void Connection::shutdown_write() {
  if (ending_ != Ending::None || !open()) return;
  ending_ = Ending::Half;
  deferred_.schedule();
}

void Connection::close_after_flush(Clock::duration linger) {
  if (closes() || !open()) return;
  ending_ = Ending::Linger;
  input_.clear();
  input_.recycle();
  set_deadline(linger, "close");
  read_again_ = true;
  deferred_.schedule();
}

void Connection::close_when_sent() {
  if (closes() || !open()) return;
  ending_ = Ending::Close;
  input_.clear();
  input_.recycle();
  deferred_.schedule();
}

void Connection::close() {
  if (open() && tls_state_ == TlsState::Open && !end_sent_ && pending() == 0 && !write_errno_ && tls_notify_end()) {
    [[maybe_unused]] auto ignored = ::send(fd_, sealed_.data(), sealed_.size(), MSG_NOSIGNAL);
  }
  drop_socket();
}

void Connection::drop_socket() {
  deferred_.cancel();
  deadline_.reset();
  output_.clear();
  output_.recycle();
  sealed_.clear();
  sealed_.recycle();
  if (fd_ < 0) return;
  loop_.remove(fd_, *this);
  ::close(fd_);
  fd_ = -1;
}

int Connection::release() {
  assert(!tls_ && "a TLS connection cannot be released");
  loop_.remove(fd_, *this);
  deferred_.cancel();
  deadline_.reset();
  return std::exchange(fd_, -1);
}

void Connection::reset_on_close() {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void Connection::fail(base::Error error) {
  drop_socket();
  handler_->on_closed(*this, error);
}

void Connection::set_deadline(Clock::duration delay, const char* what) {
  deadline_ = std::make_unique<Timer>(loop_, [this, what] {
    Guard guard(*this);
    fail({base::ErrorKind::Timeout, std::string(what) + " to " + remote().text() + " took too long",
          base::Side::Internal, true});
  });
  deadline_->arm(delay);
}

base::Error Connection::read_error() {
  if (tls_state_ == TlsState::Open && !read_errno_ && !write_errno_) return tls_error("read", 0);
  const int number = write_errno_ ? write_errno_ : read_errno_;
  base::Error out = base::system_error((write_errno_ ? "write to " : "read from ") + remote().text(), number);
  out.kind = base::ErrorKind::Closed;
  return out;
}

const Address& Connection::remote() const {
  if (!remote_.valid() && open()) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      remote_ = Address::of(reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  return remote_;
}

const Address& Connection::local() const {
  if (!local_.valid() && open() && !connecting_) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      local_ = Address::of(reinterpret_cast<sockaddr*>(&address), size);
    }
  }
  return local_;
}

std::string failure_of(const base::Error& error) {
  const std::string& message = error.message;
  if (error.kind == base::ErrorKind::Timeout) return message;
  if (message.starts_with("connect to ")) return "delayed connect error: " + message.substr(message.rfind(": ") + 2);
  if (!message.starts_with("TLS handshake with ") && !message.starts_with("read with ")) return message;
  return "TLS_error: " + message.substr(message.find(": ") + 2);
}

}  // namespace net
