// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "http/websocket.h"
#include "net/byte_stream.h"
#include "net/task.h"

namespace localkube {

// Writes of several coroutines, one after the other, on a connection that takes
// one writer. `write` has to live as long as what it captures.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  using Write = std::function<net::Task<base::Result<void>>(std::string)>;
  static std::shared_ptr<Outbox> over(Write write);

  net::Task<bool> send(std::string bytes);  // done once written; false: the connection is gone
  void close() { waiting_.close(); }        // after what waits

 private:
  struct Item {
    std::string bytes;
    net::Oneshot<bool> done;
  };
  static net::Task<void> run(std::shared_ptr<Outbox> outbox);

  Write write_;
  net::Queue<Item> waiting_;
  bool broken_ = false;
};

// A connection that carries a stream of bytes: an upgraded one, or the binary
// messages of a WebSocket (SPDY inside).
struct BytePipe {
  std::function<net::Task<base::Result<std::optional<std::string>>>()> read;
  Outbox::Write write;
  std::function<void()> close;
};
BytePipe pipe_of(std::shared_ptr<net::ByteStream> stream);
BytePipe pipe_of(std::shared_ptr<http::WebSocket> socket);

}  // namespace localkube
