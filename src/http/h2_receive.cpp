// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "http/h2_state.h"

namespace http::h2 {

static constexpr auto kBudgetPeriod = std::chrono::seconds(10);
static constexpr auto kPremature = std::chrono::seconds(1);
static constexpr uint64_t kDrainPing = 0x7365'696e'6564'7261;

size_t Session::State::receive(std::string_view bytes, Time time) {
  now = time;
  size_t used = 0;
  if (role == Role::Server && preface_seen < kPreface.size() && !failed) {
    used = std::min(bytes.size(), kPreface.size() - preface_seen);
    if (bytes.substr(0, used) != kPreface.substr(preface_seen, used))
      fail(ErrorCode::ProtocolError, "not the preface of HTTP/2");
    preface_seen += used;
  }
  held = false;
  while (!failed && bytes.size() - used >= kFrameHeader) {
    if (out.size() >= options.output_hold) [[unlikely]] {
      if ((held = role == Role::Server)) break;
      limit_output();
      if (failed) break;
    }
    const char* p = bytes.data() + used;
    size_t size = read_u32(p) >> 8;
    if (size > options.max_frame) {
      fail(ErrorCode::FrameSizeError, "a frame is larger than the limit");
      break;
    }
    if (bytes.size() - used < kFrameHeader + size) break;
    Frame frame{
        static_cast<FrameType>(p[3]), static_cast<uint8_t>(p[4]), read_u32(p + 5) & kLastId, {p + kFrameHeader, size}};
    used += kFrameHeader + size;
    on_frame(frame);
  }
  if (!failed) return used;
  reset_all(ErrorCode::ProtocolError);
  return bytes.size();
}

void Session::State::on_frame(const Frame& frame) {
  if (!settings_seen && (frame.type != FrameType::Settings || frame.has(flag::kAck)))
    return fail(ErrorCode::ProtocolError, "the first frame is not SETTINGS");
  if (block_id != 0 && (frame.type != FrameType::Continuation || frame.id != block_id))
    return fail(ErrorCode::ProtocolError, "a frame within a header block");
  switch (frame.type) {
    case FrameType::Data:
      return on_data(frame);
    case FrameType::Headers:
      return on_headers(frame);
    case FrameType::Priority:
      return on_priority(frame);
    case FrameType::RstStream:
      return on_rst_stream(frame);
    case FrameType::Settings:
      return on_settings(frame);
    case FrameType::PushPromise:
      return fail(ErrorCode::ProtocolError, "PUSH_PROMISE is not allowed");
    case FrameType::Ping:
      return on_ping(frame);
    case FrameType::Goaway:
      return on_goaway(frame);
    case FrameType::WindowUpdate:
      return on_window_update(frame);
    case FrameType::Continuation:
      return on_continuation(frame);
  }
  count_control_frame();  // an unknown type is ignored
}

bool Session::State::unpad(const Frame& frame, std::string_view& payload) {
  payload = frame.payload;
  if (!frame.has(flag::kPadded)) return true;
  if (payload.empty()) {
    fail(ErrorCode::FrameSizeError, "a padded frame without its padding");
    return false;
  }
  auto padding = static_cast<uint8_t>(payload[0]);
  payload.remove_prefix(1);
  if (padding > payload.size()) {
    fail(ErrorCode::ProtocolError, "more padding than payload");
    return false;
  }
  payload.remove_suffix(padding);
  return true;
}

void Session::State::on_data(const Frame& frame) {
  if (is_idle(frame.id)) return fail(ErrorCode::ProtocolError, "DATA on a stream that is not open");
  std::string_view payload;
  if (!unpad(frame, payload)) return;
  auto size = static_cast<uint32_t>(frame.payload.size());
  if (size > receive_window) return fail(ErrorCode::FlowControlError, "DATA beyond the connection's window");
  receive_window -= size;

  OpenStream* stream = streams.find(frame.id);
  if (!stream || stream->remote_ended) {
    give_connection_window(size);
    // What a stream that this side has reset was sent before is expected, however much it is: the connection is
    // others', too.
    const bool expected = !stream && was_reset_by_us(frame.id);
    if (!expected || frame.payload.empty()) count_control_frame();
    if (stream) return stream_error(frame.id, ErrorCode::StreamClosed);
    if (!expected) write_rst(frame.id, ErrorCode::StreamClosed);
    return;
  }
  bool end = frame.has(flag::kEndStream);
  if (stream->meter) stream->meter->received += kFrameHeader + size;
  stream->unconsumed += size;
  if (size > stream->receive_window) return stream_error(frame.id, ErrorCode::FlowControlError);
  stream->receive_window -= size;
  stream->body_received += payload.size();
  if (!stream->head_received || (stream->has_length && stream->body_received > stream->body_promised) ||
      (end && !end_of_body_fits(*stream)))
    return stream_error(frame.id, ErrorCode::ProtocolError);
  if (payload.empty() && !end) {
    count_control_frame();
    if (failed) return;
  } else {
    count_useful_work();
  }
  stream->remote_ended = end;
  consumed(*stream, size - payload.size());
  sink.on_data(*stream, payload, end);
  if (!end) return;
  if ((stream = streams.find(frame.id))) forget_if_ended(*stream);
}

void Session::State::on_headers(const Frame& frame) {
  if (frame.id == 0) return fail(ErrorCode::ProtocolError, "HEADERS without a stream");
  std::string_view payload;
  if (!unpad(frame, payload)) return;
  block_depends_on_itself = false;
  if (frame.has(flag::kPriority)) {
    if (payload.size() < 5) return fail(ErrorCode::FrameSizeError, "HEADERS without its priority");
    block_depends_on_itself = (read_u32(payload.data()) & kLastId) == frame.id;
    payload.remove_prefix(5);
  }
  block_id = frame.id;
  block_ends_stream = frame.has(flag::kEndStream);
  continuations = 0;
  block_bytes = static_cast<uint32_t>(kFrameHeader + frame.payload.size());
  if (!frame.has(flag::kEndHeaders)) {
    block.assign(payload);
    return;
  }
  on_header_block(payload);
  block_id = 0;
}

void Session::State::on_continuation(const Frame& frame) {
  if (block_id == 0) return fail(ErrorCode::ProtocolError, "CONTINUATION without HEADERS");
  if (++continuations > options.max_continuations)
    return fail(ErrorCode::EnhanceYourCalm, "too many CONTINUATION frames");
  block.append(frame.payload);
  block_bytes += static_cast<uint32_t>(kFrameHeader + frame.payload.size());
  if (!frame.has(flag::kEndHeaders)) return;
  on_header_block(block);
  block_id = 0;
  block.clear();
}

void Session::State::on_priority(const Frame& frame) {
  if (frame.id == 0) return fail(ErrorCode::ProtocolError, "PRIORITY without a stream");
  count_control_frame();
  if (frame.payload.size() != 5) return stream_error(frame.id, ErrorCode::FrameSizeError);
  if ((read_u32(frame.payload.data()) & kLastId) == frame.id) stream_error(frame.id, ErrorCode::ProtocolError);
}

void Session::State::on_rst_stream(const Frame& frame) {
  if (frame.payload.size() != 4) return fail(ErrorCode::FrameSizeError, "RST_STREAM of a wrong size");
  if (is_idle(frame.id)) return fail(ErrorCode::ProtocolError, "RST_STREAM on a stream that is not open");
  OpenStream* stream = streams.find(frame.id);
  if (!stream) return count_control_frame();
  count_reset(stream->opened_at);
  Stream gone = *stream;
  forget(*stream, ClosedStreams::How::ResetByPeer);
  sink.on_reset(gone, static_cast<ErrorCode>(read_u32(frame.payload.data())));
}

void Session::State::on_settings(const Frame& frame) {
  if (frame.id != 0) return fail(ErrorCode::ProtocolError, "SETTINGS on a stream");
  if (frame.has(flag::kAck)) {
    count_control_frame();
    if (!frame.payload.empty()) fail(ErrorCode::FrameSizeError, "an acknowledgement of SETTINGS with a payload");
    return;
  }
  if (frame.payload.size() % 6 != 0) return fail(ErrorCode::FrameSizeError, "SETTINGS of a wrong size");
  count_control_frame();
  for (size_t at = 0; at < frame.payload.size() && !failed; at += 6) {
    const char* p = frame.payload.data() + at;
    auto setting = static_cast<Setting>(static_cast<uint8_t>(p[0]) << 8 | static_cast<uint8_t>(p[1]));
    apply_setting(setting, read_u32(p + 2));
  }
  if (failed) return;
  settings_seen = true;
  write_numbers(out, FrameType::Settings, flag::kAck, 0);
  sink.on_settings();
  notify_writable();
}

bool Session::State::apply_setting(Setting setting, uint32_t value) {
  auto refuse = [&](ErrorCode code, std::string_view why) {
    fail(code, why);
    return false;
  };
  switch (setting) {
    case Setting::HeaderTableSize:
      encoder.set_table_size(value);
      return true;
    case Setting::EnablePush:
      if (value > (role == Role::Server ? 1u : 0u))
        return refuse(ErrorCode::ProtocolError, "SETTINGS_ENABLE_PUSH is out of range");
      return true;
    case Setting::MaxConcurrentStreams:
      peer_max_streams = value;
      return true;
    case Setting::InitialWindowSize: {
      if (value > kLargestWindow)
        return refuse(ErrorCode::FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is out of range");
      int64_t change = value - peer_initial_window;
      peer_initial_window = value;
      bool fits = true;
      streams.each([&](OpenStream& stream) {
        stream.send_window += change;
        fits &= stream.send_window <= kLargestWindow;
      });
      return fits || refuse(ErrorCode::FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE overflows a window");
    }
    case Setting::MaxFrameSize:
      if (value < kDefaultFrame || value > kLargestFrame)
        return refuse(ErrorCode::ProtocolError, "SETTINGS_MAX_FRAME_SIZE is out of range");
      peer_max_frame = value;
      return true;
    case Setting::EnableConnectProtocol:
      if (value > 1 || (value == 0 && peer_extended_connect))
        return refuse(ErrorCode::ProtocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL is out of range");
      peer_extended_connect = value == 1;
      return true;
    case Setting::MaxHeaderListSize:
      return true;  // advisory
  }
  return true;  // unknown ones are ignored
}

void Session::State::on_ping(const Frame& frame) {
  if (frame.id != 0) return fail(ErrorCode::ProtocolError, "PING on a stream");
  if (frame.payload.size() != 8) return fail(ErrorCode::FrameSizeError, "PING of a wrong size");
  uint32_t high = read_u32(frame.payload.data()), low = read_u32(frame.payload.data() + 4);
  count_control_frame();
  if (failed) return;
  if (!frame.has(flag::kAck)) {
    write_numbers(out, FrameType::Ping, flag::kAck, 0, high, low);
    return;
  }
  uint64_t payload = uint64_t{high} << 32 | low;
  if (payload != kDrainPing) return sink.on_ping_ack(payload);
  end_drain();
}

void Session::State::end_drain() {
  if (draining != Draining::Announced || failed) return;
  draining = Draining::Final;
  goaway_last = last_peer;
  write_goaway(last_peer, ErrorCode::NoError, {});
}

void Session::State::drain(LastWord when) {
  if (draining != Draining::No || failed) return;
  if (role == Role::Client) {
    draining = Draining::Final;
    write_goaway(0, ErrorCode::NoError, {});
    return;
  }
  draining = Draining::Announced;
  write_goaway(kLastId, ErrorCode::NoError, {});
  if (when == LastWord::OnceSeen) write_numbers(out, FrameType::Ping, 0, 0, kDrainPing >> 32, kDrainPing);
}

void Session::State::on_goaway(const Frame& frame) {
  if (frame.id != 0) return fail(ErrorCode::ProtocolError, "GOAWAY on a stream");
  if (frame.payload.size() < 8) return fail(ErrorCode::FrameSizeError, "GOAWAY of a wrong size");
  StreamId last = read_u32(frame.payload.data()) & kLastId;
  auto code = static_cast<ErrorCode>(read_u32(frame.payload.data() + 4));
  count_control_frame();
  peer_goaway = true;
  sink.on_goaway(last, code);
  if (role == Role::Server) return;
  std::vector<StreamId> refused;
  streams.each([&](OpenStream& stream) {
    if (stream.id > last) refused.push_back(stream.id);
  });
  for (StreamId id : refused) {
    OpenStream* stream = streams.find(id);
    if (!stream) continue;
    Stream gone = *stream;
    forget(*stream, ClosedStreams::How::ResetByPeer);
    sink.on_reset(gone, ErrorCode::RefusedStream);
  }
}

void Session::State::on_window_update(const Frame& frame) {
  if (frame.payload.size() != 4) return fail(ErrorCode::FrameSizeError, "WINDOW_UPDATE of a wrong size");
  uint32_t increment = read_u32(frame.payload.data()) & kLastId;
  count_control_frame();
  if (failed) return;
  if (frame.id == 0) {
    if (increment == 0) return fail(ErrorCode::ProtocolError, "WINDOW_UPDATE by 0");
    send_window += increment;
    if (send_window > kLargestWindow) return fail(ErrorCode::FlowControlError, "the connection's window overflows");
    return notify_writable();
  }
  if (is_idle(frame.id)) return fail(ErrorCode::ProtocolError, "WINDOW_UPDATE on a stream that is not open");
  OpenStream* stream = streams.find(frame.id);
  if (!stream) return;
  if (increment == 0) return stream_error(frame.id, ErrorCode::ProtocolError);
  stream->send_window += increment;
  if (stream->send_window > kLargestWindow) return stream_error(frame.id, ErrorCode::FlowControlError);
  if (stream->waiting && room_for(*stream) > 0) {
    stream->waiting = false;
    sink.on_writable(*stream);
  }
}

// As far as is remembered; a client that has forgotten takes its servers' word for it.
bool Session::State::was_reset_by_us(StreamId id) const {
  const auto how = closed.find(id);
  return how == ClosedStreams::How::ResetByUs || (role == Role::Client && how == ClosedStreams::How::Unknown);
}

bool Session::State::is_idle(StreamId id) const {
  if (id % 2 == 0) return true;  // nobody pushes, so even ids are never used
  return role == Role::Server ? id > last_peer : id >= next_local;
}

// SETTINGS, PING and other frames that cost more than they carry: a budget per
// period, from which requests and bodies pay back.
void Session::State::count_control_frame() {
  if (now - budget_since > kBudgetPeriod) {
    budget_since = now;
    control_frames = 0;
  }
  if (++control_frames > options.control_budget) fail(ErrorCode::EnhanceYourCalm, "too many control frames");
}

// A stream that ended by a reset soon after it was opened, whoever sent the
// reset: a peer can make this side reset streams, too (CVE-2023-44487, CVE-2025-8671).
void Session::State::count_reset(Time opened_at) {
  if (role == Role::Client || now - opened_at > kPremature) return;
  ++peer_reset;
  if (peer_opened < options.reset_allowance) return;
  if (peer_reset * 2 > peer_opened) return fail(ErrorCode::EnhanceYourCalm, "too many streams were reset");
  if (peer_opened > 2 * uint64_t{options.reset_allowance}) {
    peer_opened /= 2;
    peer_reset /= 2;
  }
}

}  // namespace http::h2
