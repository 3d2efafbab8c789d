// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/respond.h"
#include "localkube/api/streaming/clients.h"

namespace localkube {

namespace {

enum Channel : char { kIn = 0, kOut = 1, kErr = 2, kStatus = 3, kResize = 4, kClose = static_cast<char>(255) };

// A message once the client has its streams.
net::Task<base::Result<void>> write_once_open(std::shared_ptr<http::WebSocket> socket, net::Oneshot<bool> open,
                                              std::string bytes) {
  bool ignored = co_await open.wait();
  (void)ignored;
  http::WebSocket::Message message;
  message.data = std::move(bytes);
  auto written = co_await socket->write(std::move(message));
  co_return written;
}

net::Task<void> open_soon(net::Loop& loop, net::Oneshot<bool> open) {
  constexpr std::chrono::milliseconds kAfterPong{20};
  co_await net::sleep(loop, kAfterPong);
  open.set(true);
}

net::Task<void> knock(net::Loop& loop, std::shared_ptr<http::WebSocket> socket, net::Oneshot<bool> open) {
  std::function<void()> answered = [&loop, open] { net::spawn(open_soon(loop, open)); };
  auto sent = co_await socket->ping(std::move(answered));
  if (!sent) open.set(true);
}

// An empty message, as kube-apiserver's, for clients that wait for one.
net::Task<void> greet(std::shared_ptr<Outbox> outbox) {
  std::string bytes(1, kOut);
  bool sent = co_await outbox->send(std::move(bytes));
  (void)sent;
}

// v5.channel.k8s.io and v4: binary messages whose first byte is the channel;
// v5 adds channel 255, whose data names the channel that ends.
//
// kubectl before 1.34 reads messages while it makes its streams, and throws away
// those that come too early. So nothing is sent until it has sent something over
// a stream, or, as it need not, until a moment after it answered a ping.
class WebSocketClient final : public RemoteClient {
 public:
  WebSocketClient(net::Loop& loop, std::shared_ptr<http::WebSocket> socket, int sizes)
      : socket_(std::move(socket)),
        outbox_(Outbox::over([socket = socket_, open = open_](std::string bytes) {
          return write_once_open(socket, open, std::move(bytes));
        })),
        sizes_awaited_(sizes),
        patience_(loop, [open = open_, sized = sized_] {
          open.set(true);
          sized.set(true);
        }) {
    patience_.arm(kPatience);
    net::spawn(knock(loop, socket_, open_));
    net::spawn(greet(outbox_));
  }

  net::Task<std::optional<Input>> read() override {
    for (;;) {
      auto message = co_await socket_->read();
      open_.set(true);
      if (!message || !*message) {
        sized_.set(true);
        co_return std::nullopt;
      }
      std::string data = std::move((*message)->data);
      if (data.empty()) continue;
      Input input;
      switch (data[0]) {
        case kIn:
          if (data.size() == 1) continue;
          input.data = data.substr(1);
          co_return input;
        case kResize: {
          auto size = parse_resize(std::string_view(data).substr(1));
          if (!size) continue;
          if (--sizes_awaited_ <= 0) sized_.set(true);
          co_return size;
        }
        case kClose:
          if (data.size() < 2 || data[1] != kIn) continue;
          input.kind = Input::Kind::End;
          co_return input;
        default:
          continue;
      }
    }
  }

  net::Task<bool> send_out(std::string bytes) override { return outbox_->send(std::string(1, kOut) + bytes); }
  net::Task<bool> send_err(std::string bytes) override { return outbox_->send(std::string(1, kErr) + bytes); }

  // kubectl complains where it finds the socket closed before it has told its window's size.
  net::Task<void> finish(Json status) override {
    if (sizes_awaited_ > 0) {
      bool sized = co_await sized_.wait();
      (void)sized;
    }
    bool sent = co_await outbox_->send(std::string(1, kStatus) + dump(status));
    outbox_->close();
    if (sent) co_await socket_->close();
  }

 private:
  static constexpr std::chrono::milliseconds kPatience{300};  // since the session's start

  std::shared_ptr<http::WebSocket> socket_;
  net::Oneshot<bool> open_;  // the client has its streams
  std::shared_ptr<Outbox> outbox_;
  int sizes_awaited_;
  net::Oneshot<bool> sized_;
  net::Timer patience_;
};

}  // namespace

std::shared_ptr<RemoteClient> websocket_client(net::Loop& loop, std::shared_ptr<http::WebSocket> socket, int sizes) {
  return std::make_shared<WebSocketClient>(loop, std::move(socket), sizes);
}

}  // namespace localkube
