// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <zlib.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "localkube/api/streaming/transport.h"
#include "net/task.h"

namespace localkube {

// The part of SPDY/3.1 that kubectl speaks inside an upgraded connection:
// streams with headers, data and their ends. No flow control (neither side of
// Kubernetes uses it), no priorities.
namespace spdy {

struct Frame {
  enum class Type { Data, SynStream, SynReply, Reset, Ping, GoAway, Other };
  Type type = Type::Other;
  uint32_t stream = 0;
  bool fin = false;
  std::string payload;                         // of data and ping
  std::map<std::string, std::string> headers;  // of SynStream, names as they came
};

// Bytes to frames and back; no I/O. Header blocks share one compression per
// direction, so frames have to be read and written in order.
class Codec {
 public:
  static constexpr size_t kMostPayload = 1u << 20;

  Codec();
  ~Codec();
  Codec(const Codec&) = delete;

  void feed(std::string_view bytes) { buffer_ += bytes; }
  // The next whole frame, nullopt if bytes are missing; an error ends the connection.
  base::Result<std::optional<Frame>> next();

  std::string syn_stream(uint32_t stream, const std::map<std::string, std::string>& headers, bool fin);
  std::string syn_reply(uint32_t stream);
  static std::string data(uint32_t stream, std::string_view bytes, bool fin);
  static std::string reset(uint32_t stream, uint32_t status);
  static std::string ping(std::string_view payload);

 private:
  base::Result<std::map<std::string, std::string>> read_headers(std::string_view block);
  std::string write_headers(const std::map<std::string, std::string>& headers);
  std::string buffer_;
  z_stream inflate_{};
  z_stream deflate_{};
};

// One stream that the client opened.
struct Stream {
  uint32_t id = 0;
  std::map<std::string, std::string> headers;
  net::Queue<std::string> in;  // closed at the client's end of it, and at a reset
  bool reset = false;
  bool finished = false;  // this side has ended it
  std::string header(const std::string& name) const {
    auto it = headers.find(name);
    return it == headers.end() ? std::string() : it->second;
  }
};

// The server's end of a connection: accepts the client's streams and answers each.
class Session : public std::enable_shared_from_this<Session> {
 public:
  static std::shared_ptr<Session> over(BytePipe pipe);

  // The next stream the client opens, nullptr once the connection is over.
  net::Task<std::shared_ptr<Stream>> accept();
  net::Task<bool> write(std::shared_ptr<Stream> stream, std::string bytes);
  net::Task<bool> finish(std::shared_ptr<Stream> stream);  // this side's end
  net::Task<bool> reset(std::shared_ptr<Stream> stream);
  void close();
  bool over_now() const { return over_; }

 private:
  static net::Task<void> run(std::shared_ptr<Session> session);
  net::Task<bool> on_frame(Frame frame);
  void end();

  Codec codec_;
  BytePipe pipe_;
  std::shared_ptr<Outbox> outbox_;
  std::map<uint32_t, std::shared_ptr<Stream>> streams_;
  net::Queue<std::shared_ptr<Stream>> opened_;
  bool over_ = false;
};

}  // namespace spdy
}  // namespace localkube
