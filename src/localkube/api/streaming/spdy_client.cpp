// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/respond.h"
#include "localkube/api/streaming/clients.h"
#include "net/loop.h"

namespace localkube {

namespace {

constexpr std::chrono::seconds kStreamsTimeout{30};

using StreamPointer = std::shared_ptr<spdy::Stream>;

struct Streams {
  StreamPointer error, in, out, err, resize;
};

class SpdyClient final : public RemoteClient {
 public:
  SpdyClient(std::shared_ptr<spdy::Session> session, Streams streams)
      : session_(std::move(session)), streams_(std::move(streams)) {
    if (streams_.in) net::spawn(read_input(streams_.in, inputs_));
    if (streams_.resize) net::spawn(read_sizes(streams_.resize, inputs_));
    net::spawn(read_end(streams_.error, inputs_));
  }

  net::Task<std::optional<Input>> read() override {
    std::optional<Input> input = co_await inputs_.next();
    co_return input;
  }

  net::Task<bool> send_out(std::string bytes) override { return send(streams_.out, std::move(bytes)); }
  net::Task<bool> send_err(std::string bytes) override { return send(streams_.err, std::move(bytes)); }

  net::Task<void> finish(Json status) override {
    bool sent = co_await session_->write(streams_.error, dump(status));
    for (StreamPointer stream : {streams_.out, streams_.err, streams_.error})
      if (stream && sent) sent = co_await session_->finish(stream);
    inputs_.close();
    // The client closes once it has read all; the session ends with it.
  }

 private:
  net::Task<bool> send(StreamPointer stream, std::string bytes) {
    if (!stream) co_return true;
    bool sent = co_await session_->write(stream, std::move(bytes));
    co_return sent;
  }

  static net::Task<void> read_input(StreamPointer stream, net::Queue<Input> to) {
    for (;;) {
      std::optional<std::string> piece = co_await stream->in.next();
      Input input;
      input.kind = piece ? Input::Kind::Data : Input::Kind::End;
      if (piece) input.data = std::move(*piece);
      bool last = !piece;
      to.push(std::move(input));
      if (last) co_return;
    }
  }

  static net::Task<void> read_sizes(StreamPointer stream, net::Queue<Input> to) {
    for (;;) {
      std::optional<std::string> piece = co_await stream->in.next();
      if (!piece) co_return;
      if (auto size = parse_resize(*piece)) to.push(std::move(*size));
    }
  }

  // The error stream's reset, or the end of the connection, is the client's going.
  static net::Task<void> read_end(StreamPointer stream, net::Queue<Input> to) {
    for (;;) {
      std::optional<std::string> piece = co_await stream->in.next();
      if (!piece) break;
    }
    if (stream->reset) to.close();
  }

  std::shared_ptr<spdy::Session> session_;
  Streams streams_;
  net::Queue<Input> inputs_;
};

bool complete(const Streams& streams, const PodStreams::ExecOptions& options) {
  return streams.error && (!options.in || streams.in) && (!options.out || streams.out) &&
         (!options.err || options.tty || streams.err) && (!options.tty || streams.resize);
}

}  // namespace

net::Task<std::shared_ptr<RemoteClient>> spdy_client(net::Loop& loop, std::shared_ptr<spdy::Session> session,
                                                     PodStreams::ExecOptions options) {
  Streams streams;
  net::Timer limit(loop, [session] { session->close(); });
  limit.arm(kStreamsTimeout);
  while (!complete(streams, options)) {
    StreamPointer stream = co_await session->accept();
    if (!stream) co_return nullptr;
    std::string type = stream->header("streamtype");
    if (type == "error") streams.error = stream;
    if (type == "stdin") streams.in = stream;
    if (type == "stdout") streams.out = stream;
    if (type == "stderr") streams.err = stream;
    if (type == "resize") streams.resize = stream;
  }
  co_return std::make_shared<SpdyClient>(session, std::move(streams));
}

}  // namespace localkube
