// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/streaming/transport.h"

namespace localkube {

namespace {

using Bytes = base::Result<std::optional<std::string>>;

net::Task<Bytes> read_message(std::shared_ptr<http::WebSocket> socket) {
  auto message = co_await socket->read();
  if (!message) co_return std::unexpected(std::move(message.error()));
  if (!*message) co_return std::optional<std::string>();
  co_return std::optional<std::string>(std::move((*message)->data));
}

net::Task<base::Result<void>> write_message(std::shared_ptr<http::WebSocket> socket, std::string bytes) {
  http::WebSocket::Message message;
  message.data = std::move(bytes);
  auto written = co_await socket->write(std::move(message));
  co_return written;
}

net::Task<void> close_socket(std::shared_ptr<http::WebSocket> socket) { co_await socket->close(); }

}  // namespace

std::shared_ptr<Outbox> Outbox::over(Write write) {
  auto outbox = std::make_shared<Outbox>();
  outbox->write_ = std::move(write);
  net::spawn(run(outbox));
  return outbox;
}

net::Task<bool> Outbox::send(std::string bytes) {
  if (broken_ || waiting_.closed()) co_return false;
  Item item;
  item.bytes = std::move(bytes);
  net::Oneshot<bool> done = item.done;
  waiting_.push(std::move(item));
  bool written = co_await done.wait();
  co_return written;
}

net::Task<void> Outbox::run(std::shared_ptr<Outbox> outbox) {
  for (;;) {
    std::optional<Item> item = co_await outbox->waiting_.next();
    if (!item) break;
    if (!outbox->broken_) {
      auto written = co_await outbox->write_(std::move(item->bytes));
      outbox->broken_ = !written;
    }
    item->done.set(!outbox->broken_);
  }
  outbox->write_ = nullptr;
}

BytePipe pipe_of(std::shared_ptr<net::ByteStream> stream) {
  return {[stream] { return stream->read(); }, [stream](std::string bytes) { return stream->write(std::move(bytes)); },
          [stream] { stream->close(); }};
}

BytePipe pipe_of(std::shared_ptr<http::WebSocket> socket) {
  return {[socket] { return read_message(socket); },
          [socket](std::string bytes) { return write_message(socket, std::move(bytes)); },
          [socket] { net::spawn(close_socket(socket)); }};
}

}  // namespace localkube
