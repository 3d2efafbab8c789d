// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/server.h"

namespace http {

// A WebSocket over an upgraded connection (RFC 6455). Messages are put together
// from fragments, pings are answered, text is checked for UTF-8.
class WebSocket {
 public:
  enum class Kind { Text, Binary };
  struct Message {
    Kind kind = Kind::Binary;
    std::string data;
  };

  // Server: answers the handshake. `protocol` is the subprotocol chosen, empty for none.
  static base::Result<std::unique_ptr<WebSocket>> accept(Exchange& exchange, std::string_view protocol);
  static bool is_websocket(const RequestHead& request);

  enum class Role { Client, Server };
  WebSocket(std::unique_ptr<net::ByteStream> stream, Role role, size_t max_message = 4u << 20);

  net::Task<base::Result<std::optional<Message>>> read();  // nullopt: the peer closed
  net::Task<base::Result<void>> write(Message message);
  net::Task<void> close(uint16_t code = 1000, std::string reason = {});
  // Asks the peer for a sign of life; `answered` is called by the read() that finds the pong.
  net::Task<base::Result<void>> ping(std::function<void()> answered);

 private:
  std::unique_ptr<net::ByteStream> stream_;
  Role role_;
  size_t max_message_;
  std::string buffer_;
  std::function<void()> answered_;
  bool close_sent_ = false;
};

// What a server answers to the handshake's key (RFC 6455, 4.2.2).
std::string websocket_accept(std::string_view key);

}  // namespace http
