// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/byte_meter.h"
#include "http/message.h"
#include "net/buffer.h"

// HTTP/2 (RFC 9113, RFC 8441) without I/O.
namespace http::h2 {

using StreamId = uint32_t;

enum class ErrorCode : uint32_t {
  NoError = 0,
  ProtocolError,
  InternalError,
  FlowControlError,
  SettingsTimeout,
  StreamClosed,
  FrameSizeError,
  RefusedStream,
  Cancel,
  CompressionError,
  ConnectError,
  EnhanceYourCalm,
  InadequateSecurity,
  Http11Required,
};

enum class Role : uint8_t { Client, Server };

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Options {
  uint32_t max_streams = 100;          // that the peer may have open at a time
  uint32_t stream_window = 64 * 1024;  // for what we receive
  uint32_t connection_window = 1024 * 1024;
  uint32_t max_frame = 16 * 1024;
  uint32_t header_table = 4096;
  size_t max_header_bytes = 60 * 1024;  // decoded, of one head
  size_t max_header_fields = 100;
  uint32_t max_continuations = 8;
  uint32_t control_budget = 1000;   // SETTINGS, PING, PRIORITY, empty DATA, unneeded WINDOW_UPDATE per 10 s
  uint32_t reset_allowance = 500;   // streams before more than half of them reset ends the connection
  size_t output_limit = 64 * 1024;  // send_data() takes no more while this much waits in the output
  // Heads and acknowledgements cannot wait elsewhere, so with so much in the output a server takes no more from its
  // peer. A client reads on, or both could wait for each other.
  size_t output_hold = 256 * 1024;
  size_t output_most = 4 * 1024 * 1024;  // that a peer can make wait there; more ends the connection
  uint32_t max_local_streams = 1000;     // that we open at a time; the peer's setting may be lower
  bool plain_strings = false;            // header strings are sent as they are, not Huffman coded
  bool extended_connect = true;          // server: SETTINGS_ENABLE_CONNECT_PROTOCOL
};

// A stream as the sink sees it. The reference holds for the call only; keep the
// id, which is never used again on its connection.
struct Stream {
  StreamId id = 0;
  void* user = nullptr;  // the caller's, never touched here
  // The caller's; frames of the stream are counted into it, their own headers too. A server's sink may set it in
  // on_request, where `head_bytes` have come already.
  base::ByteMeter* meter = nullptr;
  uint32_t head_bytes = 0;
};

// Told what the peer did, from within receive() and output_drained(). It may
// call any method of the session except those two. A head may be swapped or
// moved out; swapping keeps its memory in use. No call comes for a stream after
// its on_reset, after reset() by this side, or after both sides have ended it.
class Sink {
 public:
  // Server: a new request; `end` where it has no body.
  virtual void on_request(Stream& stream, RequestHead& head, bool end) = 0;
  // Client: the response; status < 200 is an interim one and another follows.
  virtual void on_response(Stream& stream, ResponseHead& head, bool end) = 0;
  // A piece of the body, maybe empty where `end`. The caller gives the window back by consumed().
  virtual void on_data(Stream& stream, std::string_view bytes, bool end) = 0;
  // Ends the peer's side.
  virtual void on_trailers(Stream& stream, Headers& trailers) = 0;
  // The stream is gone: the peer reset it, broke a rule, or the connection failed.
  // `user` is given for the last time. Not called for streams that ended well.
  virtual void on_reset(Stream& stream, ErrorCode code) = 0;
  // send_data() took less than offered and would take more now.
  virtual void on_writable(Stream& stream) = 0;
  // The peer takes no new streams. Streams above `last` were not processed: they
  // get on_reset(RefusedStream) right after and may be tried elsewhere.
  virtual void on_goaway(StreamId last, ErrorCode code) = 0;
  // The peer's settings came or changed: can_open() may differ.
  virtual void on_settings() {}
  virtual void on_ping_ack(uint64_t) {}

 protected:
  ~Sink() = default;
};

// One connection. The owner feeds what it received, sends what stands in `out`,
// and closes when should_close() and `out` is empty. Nothing is allocated per
// stream or frame in the steady state: streams come from a pool, heads are reused.
class Session {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `sink` and `out` must outlive the session. Writes this side's preface at once.
  Session(Role role, const Options& options, Sink& sink, net::Buffer& out);
  ~Session();
  Session(const Session&) = delete;

  // Returns how much was taken. What is left is the beginning of a frame: give
  // it again with more after it (at most max_frame + 9 bytes are left, unless held()).
  size_t receive(std::string_view bytes, Time now);
  // The last receive() stopped because of Options::output_hold: stop reading, and give the rest again once the output
  // was sent.
  bool held() const;
  // `out` was sent, or fell below Options::output_limit: lets waiting streams write.
  void output_drained();
  // The transport is gone: on_reset for every stream.
  void connection_lost(ErrorCode code = ErrorCode::Cancel);

  // Client. Opens a stream; 0 if can_open() is false. `end`: no body follows.
  bool can_open() const;
  StreamId send_request(const RequestHead& head, bool end, void* user, base::ByteMeter* meter = nullptr);
  // Server. Interim responses (1xx) may come before the final one.
  void send_response(StreamId id, const ResponseHead& head, bool end);

  // Both. As much of `bytes` as the windows and the output allow; returns how
  // much that was. `end` counts only where all was taken. After less than all,
  // on_writable() comes. Unknown or finished streams take and ignore all.
  size_t send_data(StreamId id, std::string_view bytes, bool end);
  size_t writable(StreamId id) const;                        // what send_data would take now
  void send_trailers(StreamId id, const Headers& trailers);  // ends this side
  void reset(StreamId id, ErrorCode code);                   // no on_reset for it
  void consumed(StreamId id, size_t bytes);                  // of on_data: the peer may send as much again
  void set_user(StreamId id, void* user);                    // nullptr: its meter goes too
  void* user(StreamId id) const;                             // nullptr for a stream that is gone
  bool open(StreamId id) const;

  // Graceful end: GOAWAY for all that is on its way, then, once the peer has
  // seen it, for good; streams that are open go on. should_close() after the last.
  enum class LastWord : uint8_t { OnceSeen, WhenAsked };  // the second GOAWAY comes by itself, or by end_drain()
  void drain(LastWord when = LastWord::OnceSeen);
  void end_drain();
  // GOAWAY at once; every stream is reset.
  void close(ErrorCode code, std::string_view debug = {});
  void ping(uint64_t payload);

  bool draining() const;  // no new streams: this side or the peer said so
  bool failed() const;
  bool should_close() const;  // failed, or drained with no stream left
  bool backed_up() const;     // so much waits in the output (Options::output_hold) that it takes no more heads
  bool settings_received() const;
  // A head has begun and not ended; `left`: what receive() has not taken of the input.
  bool in_head(std::string_view left) const;
  bool peer_extended_connect() const;  // client: the server allows RFC 8441
  size_t open_streams() const;
  std::string_view error() const;  // why it failed; empty: it did not. Static text

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace http::h2
