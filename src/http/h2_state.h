// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "http/h2.h"
#include "http/h2_frame.h"
#include "http/h2_streams.h"
#include "http/hpack.h"

namespace http::h2 {

// A session's inside. Frames come in through h2_receive.cpp, header blocks
// through h2_fields.cpp; h2_send.cpp writes. After any call to the sink a stream
// is looked up again: the sink may have ended it.
struct Session::State {
  State(Role role, const Options& options, Sink& sink, net::Buffer& out);

  // Receiving.
  size_t receive(std::string_view bytes, Time now);
  void on_frame(const Frame& frame);
  void on_data(const Frame& frame);
  void on_headers(const Frame& frame);
  void on_continuation(const Frame& frame);
  void on_priority(const Frame& frame);
  void on_rst_stream(const Frame& frame);
  void on_settings(const Frame& frame);
  bool apply_setting(Setting setting, uint32_t value);
  void on_ping(const Frame& frame);
  void on_goaway(const Frame& frame);
  void on_window_update(const Frame& frame);
  bool unpad(const Frame& frame, std::string_view& payload);

  // Header blocks.
  enum class Verdict : uint8_t { Good, Malformed, TooLarge, Broken };  // Broken: the connection failed
  enum class BlockKind : uint8_t { Request, Response, Trailers, Discard };
  void on_header_block(std::string_view block);
  void on_request_block(std::string_view block);
  void on_response_block(OpenStream& stream, std::string_view block);
  void on_trailers_block(OpenStream& stream, std::string_view block);
  Verdict decode(std::string_view block, BlockKind kind, Headers& headers);
  bool read_pseudo(std::string_view name, std::string_view value, BlockKind kind);
  bool check_field(std::string_view name, std::string_view value, BlockKind kind);
  bool check_request();
  void join_cookies(Headers& headers);
  void open_refused(StreamId id, ErrorCode code);
  bool end_of_body_fits(const OpenStream& stream) const;

  // Streams and errors.
  bool is_idle(StreamId id) const;
  bool was_reset_by_us(StreamId id) const;
  OpenStream& add_stream(StreamId id);
  void consumed(OpenStream& stream, size_t bytes);
  void forget(OpenStream& stream, ClosedStreams::How how);
  void forget_if_ended(OpenStream& stream);
  void fail(ErrorCode code, std::string_view reason);
  void stream_error(StreamId id, ErrorCode code);  // RST_STREAM, and on_reset if it was open
  void write_rst(StreamId id, ErrorCode code);
  void reset_all(ErrorCode code);
  void count_control_frame();
  void count_useful_work() { control_frames -= std::min<uint32_t>(control_frames, 4); }
  void count_reset(Time opened_at);

  // Sending.
  void limit_output() {
    if (out.size() >= options.output_most) [[unlikely]]
      fail(ErrorCode::EnhanceYourCalm, "too much that the peer does not take");
  }
  bool can_open() const;
  template <typename Write>
  size_t write_header_block(StreamId id, bool end, Write write);  // how many bytes it is, with its frames' headers
  void count_block(OpenStream& stream) const {
    if (!stream.meter) return;
    stream.meter->received += block_bytes;
    stream.meter->head_received += block_bytes;
  }
  void write_fields(const Headers& headers);
  void write_goaway(StreamId last, ErrorCode code, std::string_view debug);
  StreamId send_request(const RequestHead& head, bool end, void* user, base::ByteMeter* meter);
  void send_response(StreamId id, const ResponseHead& head, bool end);
  void send_trailers(StreamId id, const Headers& fields);
  void refuse_too_large(StreamId id, bool ended);
  size_t send_data(StreamId id, std::string_view bytes, bool end);
  size_t room_for(const OpenStream& stream) const;
  void end_local(OpenStream& stream);
  void notify_writable();
  void give_connection_window(uint32_t bytes);
  void give_stream_window(OpenStream& stream, uint32_t bytes);
  void drain(LastWord when);
  void end_drain();

  const Role role;
  const Options options;
  Sink& sink;
  net::Buffer& out;
  hpack::Decoder decoder;
  hpack::Encoder encoder;
  StreamTable streams;
  ClosedStreams closed;
  Time now{};

  size_t preface_seen = 0;
  bool settings_seen = false;
  bool failed = false;
  bool held = false;
  std::string_view reason;

  // The header block that is coming in.
  StreamId block_id = 0;  // 0: none
  bool block_ends_stream = false;
  bool block_depends_on_itself = false;
  uint32_t continuations = 0;
  uint32_t block_bytes = 0;  // with the headers of its frames
  std::string block;

  // Heads, used again and again.
  RequestHead request;
  ResponseHead response;
  Headers trailers;
  bool regular_seen = false, host_seen = false, length_seen = false;
  bool method_seen = false, scheme_seen = false, authority_seen = false, path_seen = false, protocol_seen = false,
       status_seen = false;
  uint64_t length = 0;
  uint32_t cookies = 0;
  std::string host;

  // Peer's settings.
  uint32_t peer_max_frame = kDefaultFrame;
  int64_t peer_initial_window = kDefaultWindow;
  uint32_t peer_max_streams = 100;
  bool peer_extended_connect = false;

  int64_t send_window = kDefaultWindow;
  int64_t receive_window = 0;
  uint32_t window_to_give = 0;
  std::vector<StreamId> waiting, notifying;

  StreamId next_local = 1;  // client
  StreamId last_peer = 0;   // server: the highest that was opened
  bool peer_goaway = false;
  StreamId goaway_last = kLastId;
  enum class Draining : uint8_t { No, Announced, Final } draining = Draining::No;

  // Against floods.
  uint32_t control_frames = 0;
  Time budget_since{};
  uint64_t peer_opened = 0, peer_reset = 0;
};

}  // namespace http::h2
