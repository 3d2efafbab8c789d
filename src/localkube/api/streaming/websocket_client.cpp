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
  explicit WebSocketClient(std::shared_ptr<http::WebSocket> socket)
      : socket_(std::move(socket)), outbox_(Outbox::over(pipe_of(socket_).write)) {}

  net::Task<std::optional<Input>> read() override {
    for (;;) {
      auto message = co_await socket_->read();
      if (!message || !*message) co_return std::nullopt;
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

  net::Task<void> finish(Json status) override {
    bool sent = co_await outbox_->send(std::string(1, kStatus) + dump(status));
    outbox_->close();
    if (sent) co_await socket_->close();
  }

 private:
  std::shared_ptr<http::WebSocket> socket_;
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace

std::shared_ptr<RemoteClient> websocket_client(std::shared_ptr<http::WebSocket> socket) {
  return std::make_shared<WebSocketClient>(std::move(socket));
}

}  // namespace localkube
