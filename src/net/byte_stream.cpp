// SPDX-License-Identifier: Apache-2.0
#include "net/byte_stream.h"

#include "net/connection.h"
#include "net/connection_stream.h"

namespace net {
namespace {

constexpr auto kLinger = std::chrono::seconds(5);

// Shared by the stream and the coroutines that wait in it, so that a stream can
// be destroyed while one waits: it is woken with Closed.
struct State final : Connection::Handler, std::enable_shared_from_this<State> {
  std::unique_ptr<Connection> connection;
  Oneshot<base::Result<void>> ready;
  Signal readable;
  std::vector<Oneshot<bool>> stalled;  // writers
  bool ended = false;
  std::optional<base::Error> closed;
  Address remote, local;

  void on_ready(Connection&) override { ready.set({}); }
  void on_data(Connection&) override {
    auto self = shared_from_this();
    readable.notify();
  }
  void on_end(Connection&) override {
    auto self = shared_from_this();
    ended = true;
    readable.notify();
  }
  void on_drained(Connection&) override { go_on(); }
  void on_closed(Connection& c, const base::Error& error) override {
    auto self = shared_from_this();
    wake_all(error);
    c.loop().let_go(this);
  }

  void wake_all(base::Error error) {
    auto self = shared_from_this();
    if (closed) return;
    closed = error;
    ready.set(std::unexpected(std::move(error)));
    readable.notify();
    go_on();
  }
  void go_on() {
    auto self = shared_from_this();
    for (Oneshot<bool>& writer : std::exchange(stalled, {})) writer.set(true);
  }
  void close() {
    connection->close();
    wake_all({base::ErrorKind::Closed, "the connection was closed on this side"});
  }
  // The stream is gone; what was written still goes out.
  void abandon() {
    if (connection->open() && connection->pending()) {
      connection->loop().keep(shared_from_this());
      connection->close_after_flush(kLinger);
    } else {
      connection->close();
    }
    wake_all({base::ErrorKind::Closed, "the connection was closed on this side"});
  }
};

Task<base::Result<std::optional<std::string>>> read_from(std::shared_ptr<State> state) {
  for (;;) {
    Buffer& input = state->connection->input();
    if (!input.empty()) {
      std::string out(input.view());
      input.clear();
      input.recycle();
      state->connection->resume_reading();
      co_return out;
    }
    if (state->ended) co_return std::nullopt;
    if (state->closed) co_return std::unexpected(*state->closed);
    co_await state->readable.wait();
  }
}

Task<base::Result<void>> write_to(std::shared_ptr<State> state, std::string bytes) {
  if (!state->closed) state->connection->write(bytes);
  bytes = {};
  while (!state->closed && state->connection->full()) {
    Oneshot<bool> drained = state->stalled.emplace_back();
    co_await drained.wait();
  }
  if (state->closed) co_return std::unexpected(*state->closed);
  co_return base::Result<void>();
}

class ConnectionStream final : public ByteStream {
 public:
  explicit ConnectionStream(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~ConnectionStream() override { state_->abandon(); }

  Task<base::Result<std::optional<std::string>>> read() override { return read_from(state_); }
  Task<base::Result<void>> write(std::string bytes) override { return write_to(state_, std::move(bytes)); }
  void shutdown_write() override { state_->connection->shutdown_write(); }
  void close() override { state_->close(); }
  Address remote() const override { return state_->connection->remote(); }
  Address local() const override { return state_->connection->local(); }
  const TlsPeer* tls() const override { return state_->connection->tls(); }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<ByteStream> stream_of(std::unique_ptr<Connection> connection) {
  auto state = std::make_shared<State>();
  connection->set_handler(*state);
  state->ended = connection->peer_ended();
  if (!connection->open()) state->closed = {base::ErrorKind::Closed, "the peer closed the connection"};
  state->connection = std::move(connection);
  state->connection->resume_reading();
  return std::make_unique<ConnectionStream>(std::move(state));
}

Task<base::Result<std::unique_ptr<ByteStream>>> connect(Loop& loop, Address address, ConnectOptions options) {
  auto state = std::make_shared<State>();
  state->connection = std::make_unique<Connection>(loop, *state);
  auto stream = std::make_unique<ConnectionStream>(state);
  const Connection::Target target{
      .address = std::move(address), .source = {}, .mark = 0, .transparent = false, .timeout = options.timeout};
  CO_TRY(state->connection->connect(target));
  if (options.tls) state->connection->start_tls(options.tls, options.server_name, {}, options.memory);
  base::Result<void> ready = co_await state->ready.wait();
  CO_TRY(std::move(ready));
  co_return std::unique_ptr<ByteStream>(std::move(stream));
}

}  // namespace net
