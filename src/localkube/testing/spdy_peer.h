// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>

#include "base/strings.h"
#include "localkube/api/streaming/spdy.h"
#include "net/byte_stream.h"

namespace localkube {

// What kubectl does with exec, attach and port-forward over SPDY. For tests only.
class SpdyPeer {
 public:
  explicit SpdyPeer(std::unique_ptr<net::ByteStream> stream) : stream_(std::move(stream)) {}

  // Asks for the upgrade; the answer's head, and where it is refused its body.
  static net::Task<std::string> upgrade(SpdyPeer* self, std::string path, std::string protocol) {
    std::string request = "POST " + path +
                          " HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                          "X-Stream-Protocol-Version: " +
                          protocol + "\r\nContent-Length: 0\r\n\r\n";
    auto written = co_await self->stream_->write(std::move(request));
    std::string answer;
    while (written) {
      auto piece = co_await self->stream_->read();
      if (!piece || !*piece) break;
      answer += **piece;
      size_t end = answer.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      if (answer.starts_with("HTTP/1.1 101")) {
        self->codec_.feed(std::string_view(answer).substr(end + 4));
        answer.resize(end);
        break;
      }
      if (answer.ends_with("}") || answer.ends_with("}\n")) break;
    }
    co_return answer;
  }

  // Opens a stream, and ends it from this side at once where `fin`.
  static net::Task<uint32_t> open(SpdyPeer* self, std::map<std::string, std::string> headers, bool fin = false) {
    uint32_t id = self->next_;
    self->next_ += 2;
    auto written = co_await self->stream_->write(self->codec_.syn_stream(id, headers, fin));
    (void)written;
    co_return id;
  }
  static net::Task<void> send(SpdyPeer* self, uint32_t id, std::string bytes) {
    auto written = co_await self->stream_->write(spdy::Codec::data(id, bytes, false));
    (void)written;
  }
  // All that comes on a stream until its end, or the connection's.
  static net::Task<std::string> all_of(SpdyPeer* self, uint32_t id) {
    while (!self->ended_[id]) {
      auto frame = self->codec_.next();
      if (!frame) break;
      if (*frame) {
        self->said_[(*frame)->stream] += (*frame)->payload;
        if ((*frame)->fin || (*frame)->type == spdy::Frame::Type::Reset) self->ended_[(*frame)->stream] = true;
        continue;
      }
      auto piece = co_await self->stream_->read();
      if (!piece || !*piece) break;
      self->codec_.feed(**piece);
    }
    co_return self->said_[id];
  }

 private:
  std::unique_ptr<net::ByteStream> stream_;
  spdy::Codec codec_;
  uint32_t next_ = 1;
  std::map<uint32_t, std::string> said_;
  std::map<uint32_t, bool> ended_;
};

}  // namespace localkube
