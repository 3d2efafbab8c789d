// SPDX-License-Identifier: Apache-2.0
#include "proxy/tcp/splice.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "proxy/tcp/relayed.h"

namespace proxy {
namespace {

constexpr int kPipe = 1024 * 1024;
constexpr size_t kPiece = 16 * 1024;  // of what is copied
constexpr uint64_t kWorthAPipe = 128 * 1024;
constexpr int kRoundsATurn = 8;  // then the other connections get their turn
constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

bool would_wait(ssize_t result) { return result < 0 && (errno == EAGAIN || errno == EINTR); }

class Splice final : public Relayed {
 public:
  Splice(Worker& worker, std::unique_ptr<net::Connection> downstream, std::unique_ptr<net::Connection> upstream,
         RelayEnd so_far, RelayOptions options)
      : Relayed(worker, std::move(options)),
        downstream_(*this, *downstream),
        upstream_(*this, *upstream),
        up_{downstream_, upstream_, so_far.received},
        down_{upstream_, downstream_, so_far.sent},
        again_(worker.loop(), &run_again, this) {
    up_.take(upstream->output(), downstream->input());
    down_.take(downstream->output(), upstream->input());
    for (auto [side, connection] : {std::pair{&downstream_, downstream.get()}, {&upstream_, upstream.get()}}) {
      side->fd = connection->release();
      if (!worker.loop().add(side->fd, kEvents, *side)) broken_ = side;
    }
    again_.schedule();
  }
  ~Splice() override {
    for (Flow* flow : {&up_, &down_}) flow->close_pipe();
    for (Side* side : {&downstream_, &upstream_}) {
      if (side->fd < 0) continue;
      worker().loop().remove(side->fd, *side);
      ::close(side->fd);
    }
    received_ = up_.moved;
    sent_ = down_.moved;
    tell_end();
  }

  void sweep(net::Clock::time_point now) override {
    received_ = up_.moved;
    sent_ = down_.moved;
    Relayed::sweep(now);
    if (buried()) return;
    if (now < last_active_ + kPipeIdle) return;
    for (Flow* flow : {&up_, &down_})
      if (!flow->in_pipe) flow->close_pipe();
  }

 private:
  struct Side final : net::IoHandler {
    Side(Splice& relay, net::Connection&) : relay(relay) {}
    void on_io(uint32_t events) override {
      if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable = true;
      if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable = true;
      if ((events & EPOLLERR) && this == &relay.downstream_) relay.broken_ = this;  // as Connection::end_at_reset
      relay.move();
    }
    Splice& relay;
    int fd = -1;
    bool readable = true, writable = true;  // as far as is known
  };

  // One direction.
  struct Flow {
    Side& from;
    Side& to;
    uint64_t moved = 0;
    net::Buffer left{};  // goes before what is in the pipe
    int pipe[2] = {-1, -1};
    size_t in_pipe = 0;
    bool ended = false;    // the sender's end was read
    bool shut = false;     // and passed on
    bool no_pipe = false;  // there are no descriptors left for one

    void take(net::Buffer& unsent, net::Buffer& unrelayed) {
      moved += unrelayed.size();
      left.append(std::move(unsent));
      left.append(std::move(unrelayed));
    }
    bool empty() const { return left.empty() && !in_pipe; }
    bool open_pipe() {
      if (pipe[0] >= 0) return true;
      if (no_pipe || moved < kWorthAPipe) return false;
      if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC) != 0) {
        pipe[0] = pipe[1] = -1;
        no_pipe = true;
        return false;
      }
      fcntl(pipe[1], F_SETPIPE_SZ, kPipe);  // refused where too many have large ones: then it is smaller
      return true;
    }
    void close_pipe() {
      if (pipe[0] < 0) return;
      ::close(pipe[0]);
      ::close(pipe[1]);
      pipe[0] = pipe[1] = -1;
    }
  };

  void move() {
    if (buried()) return;
    last_active_ = worker().loop().now();
    bool more = pump(up_) | pump(down_);
    if (broken_) reset();
    if (broken_ || (up_.shut && down_.shut))
      return end(broken_ == &upstream_ ? RelayEnd::Why::UpstreamReset : RelayEnd::Why::Done);
    if (more) again_.schedule();
  }

  // True where more could be moved at once.
  bool pump(Flow& flow) {
    for (int round = 0; round < kRoundsATurn; ++round) {
      if (broken_ || !send(flow)) return false;
      if (flow.ended) {
        if (!flow.shut) ::shutdown(flow.to.fd, SHUT_WR);
        flow.shut = true;
        return false;
      }
      if (!flow.from.readable || !receive(flow)) return !flow.empty() && flow.to.writable;
    }
    return true;
  }

  // Empties what is held; false where the receiver takes no more for now.
  bool send(Flow& flow) {
    while (!flow.empty()) {
      if (!flow.to.writable) return false;
      bool copied = !flow.left.empty();
      ssize_t count = copied ? ::send(flow.to.fd, flow.left.data(), flow.left.size(), MSG_NOSIGNAL)
                             : ::splice(flow.pipe[0], nullptr, flow.to.fd, nullptr, flow.in_pipe,
                                        SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (would_wait(count)) {
        flow.to.writable = errno == EINTR;
        continue;
      }
      if (count <= 0) {
        broken_ = &flow.to;
        return false;
      }
      if (copied)
        flow.left.consume(static_cast<size_t>(count));
      else
        flow.in_pipe -= static_cast<size_t>(count);
    }
    flow.left.recycle();
    return true;
  }

  // Takes once what the sender has, when nothing is held; false where that is nothing.
  bool receive(Flow& flow) {
    ssize_t count;
    bool spliced = flow.open_pipe();
    if (spliced) {
      count = ::splice(flow.from.fd, nullptr, flow.pipe[1], nullptr, kPipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } else {
      count = ::recv(flow.from.fd, flow.left.prepare(kPiece), kPiece, 0);
    }
    if (would_wait(count)) {
      flow.from.readable = errno == EINTR;
      flow.left.recycle();
      return flow.from.readable;
    }
    if (count < 0) {
      broken_ = &flow.from;
      return false;
    }
    if (count == 0) {
      flow.ended = true;
      return true;
    }
    flow.moved += static_cast<uint64_t>(count);
    if (spliced)
      flow.in_pipe = static_cast<size_t>(count);
    else
      flow.left.commit(static_cast<size_t>(count));
    return true;
  }

  static void run_again(void* self) { static_cast<Splice*>(self)->move(); }

  // One side failed: the other must not take it for an orderly end.
  void reset() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    for (Side* side : {&downstream_, &upstream_}) setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  void end(RelayEnd::Why why) override {
    again_.cancel();
    finish(why);
  }

  static constexpr auto kPipeIdle = std::chrono::seconds(5);

  Side downstream_, upstream_;
  Flow up_, down_;
  net::Deferred again_;
  Side* broken_ = nullptr;
};

}  // namespace

bool can_splice(const net::Connection& downstream, const net::Connection& upstream) {
  for (const net::Connection* side : {&downstream, &upstream})
    if (side->is_tls() || !side->open() || side->peer_ended()) return false;
  return true;
}

void start_splice(Worker& worker, std::unique_ptr<net::Connection> downstream,
                  std::unique_ptr<net::Connection> upstream, RelayEnd so_far, RelayOptions options) {
  new Splice(worker, std::move(downstream), std::move(upstream), so_far,
             std::move(options));  // in the worker's list of sessions
}

}  // namespace proxy
