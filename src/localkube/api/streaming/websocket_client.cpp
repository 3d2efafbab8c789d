// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/respond.h"
#include "localkube/api/streaming/clients.h"

namespace localkube {

namespace {

enum Channel : char { kIn = 0, kOut = 1, kErr = 2, kStatus = 3, kResize = 4, kClose = static_cast<char>(255) };

// v5.channel.k8s.io and v4: binary messages whose first byte is the channel;
// v5 adds channel 255, whose data names the channel that ends.
class WebSocketClient final : public RemoteClient {
 public:
  WebSocketClient(net::Loop& loop, std::shared_ptr<http::WebSocket> socket, int sizes)
      : socket_(std::move(socket)),
        outbox_(Outbox::over(pipe_of(socket_).write)),
        sizes_awaited_(sizes),
        patience_(loop, [sized = sized_] { sized.set(true); }) {
    if (sizes_awaited_ > 0) patience_.arm(kSizePatience);
  }

  net::Task<std::optional<Input>> read() override {
    for (;;) {
      auto message = co_await socket_->read();
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
  static constexpr std::chrono::milliseconds kSizePatience{300};  // since the session's start

  std::shared_ptr<http::WebSocket> socket_;
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
