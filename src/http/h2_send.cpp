// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "http/h2_state.h"
#include "http/syntax.h"

namespace http::h2 {

static constexpr size_t kWorthyData = 1024;  // DATA of this size pays for control frames of the peer

// Encodes straight into the output and puts the frame header before it. A block
// larger than a frame is moved apart for CONTINUATION headers, from its end.
template <typename Write>
size_t Session::State::write_header_block(StreamId id, bool end, Write write) {
  size_t frame_at = out.size();
  out.prepare(kFrameHeader);
  out.commit(kFrameHeader);
  encoder.begin(out);
  write();
  size_t size = out.size() - frame_at - kFrameHeader;
  size_t more = size == 0 ? 0 : (size - 1) / peer_max_frame;  // CONTINUATION frames
  if (more > 0) {
    out.prepare(more * kFrameHeader);
    out.commit(more * kFrameHeader);
    char* payload = out.data() + frame_at + kFrameHeader;
    for (size_t i = more; i > 0; --i) {
      size_t begin = i * peer_max_frame, length = std::min<size_t>(peer_max_frame, size - begin);
      char* target = payload + begin + i * kFrameHeader;
      std::memmove(target, payload + begin, length);
      put_frame_header(target - kFrameHeader, length, FrameType::Continuation, i == more ? flag::kEndHeaders : 0, id);
    }
    size = peer_max_frame;
  }
  uint8_t flags = (more == 0 ? flag::kEndHeaders : 0) | (end ? flag::kEndStream : 0);
  put_frame_header(out.data() + frame_at, size, FrameType::Headers, flags, id);
  return out.size() - frame_at;
}

static void count_head(base::ByteMeter* meter, size_t bytes) {
  if (!meter) return;
  meter->sent += bytes;
  meter->head_sent += bytes;
}

void Session::State::write_fields(const Headers& headers) {
  for (auto [name, value] : headers) {
    if (syntax::codec_owned(name) && name != "content-length" && !(name == "te" && value == "trailers")) continue;
    if (encoder.reference(out, name, value)) continue;  // it was valid when it got in there
    if (syntax::valid_lower_token(name) && syntax::valid_value(value)) encoder.literal(out, name, value);
  }
}

bool Session::State::can_open() const {
  return role == Role::Client && !failed && !peer_goaway && draining == Draining::No && next_local <= kLastId &&
         streams.size() < std::min(options.max_local_streams, peer_max_streams);
}

StreamId Session::State::send_request(const RequestHead& head, bool end, void* user, base::ByteMeter* meter) {
  if (!can_open()) return 0;
  const StreamId id = next_local;
  next_local += 2;
  OpenStream& stream = add_stream(id);
  stream.user = user;
  stream.meter = meter;
  stream.answers_head = head.method == "HEAD";
  stream.local_ended = end;
  bool plain_connect = head.method == "CONNECT" && head.protocol.empty();
  const size_t bytes = write_header_block(id, end, [&] {
    encoder.field(out, ":method", head.method);
    if (!plain_connect) {
      encoder.field(out, ":scheme", head.scheme);
      encoder.field(out, ":path", head.path.empty() ? std::string_view("/") : std::string_view(head.path));
    }
    encoder.field(out, ":authority", head.authority);
    if (!head.protocol.empty()) encoder.field(out, ":protocol", head.protocol);
    write_fields(head.headers);
  });
  count_head(meter, bytes);
  return id;
}

static std::string_view status_digits(int status, char (&digits)[3]) {
  if (status < 100 || status > 999) status = 500;
  for (int i = 2; i >= 0; --i, status /= 10) digits[i] = static_cast<char>('0' + status % 10);
  return {digits, 3};
}

void Session::State::send_response(StreamId id, const ResponseHead& head, bool end) {
  OpenStream* stream = streams.find(id);
  if (!stream || stream->local_ended || failed) return;
  if (head.status < 200 && out.size() >= options.output_hold) return;  // said to nobody
  const size_t bytes = write_header_block(id, end, [&] {
    char digits[3];
    encoder.field(out, ":status", status_digits(head.status, digits));
    write_fields(head.headers);
  });
  count_head(stream->meter, bytes);
  if (end) end_local(*stream);
  limit_output();
}

void Session::State::send_trailers(StreamId id, const Headers& fields) {
  OpenStream* stream = streams.find(id);
  if (!stream || stream->local_ended || failed) return;
  count_head(stream->meter, write_header_block(id, true, [&] { write_fields(fields); }));
  end_local(*stream);
  if (role == Role::Server) limit_output();
}

// The answer to a request whose fields were not kept.
void Session::State::refuse_too_large(StreamId id, bool ended) {
  write_header_block(id, true, [&] { encoder.field(out, ":status", "431"); });
  if (!ended) write_rst(id, ErrorCode::NoError);
  closed.add(id, ended ? ClosedStreams::How::Ended : ClosedStreams::How::ResetByUs);
  count_reset(now);
}

size_t Session::State::room_for(const OpenStream& stream) const {
  int64_t output = static_cast<int64_t>(options.output_limit) - static_cast<int64_t>(out.size());
  return static_cast<size_t>(std::max<int64_t>(0, std::min({send_window, stream.send_window, output})));
}

size_t Session::State::send_data(StreamId id, std::string_view bytes, bool end) {
  OpenStream* stream = streams.find(id);
  if (!stream || stream->local_ended) return bytes.size();
  size_t taken = std::min(bytes.size(), room_for(*stream));
  bool ends = end && taken == bytes.size();
  size_t largest = std::min<size_t>(peer_max_frame, kDefaultFrame);
  const size_t before = out.size();
  for (size_t at = 0; at < taken || (ends && taken == 0);) {
    size_t size = std::min(taken - at, largest);
    char* p = out.prepare(kFrameHeader + size);
    p = put_frame_header(p, size, FrameType::Data, ends && at + size == taken ? flag::kEndStream : 0, id);
    if (size) std::memcpy(p, bytes.data() + at, size);
    out.commit(kFrameHeader + size);
    at += size;
    if (taken == 0) break;
  }
  if (stream->meter) stream->meter->sent += out.size() - before;
  stream->send_window -= static_cast<int64_t>(taken);
  send_window -= static_cast<int64_t>(taken);
  // A peer may give back the windows of each message; one that lets bytes out drop by drop is not paid for it.
  if (taken && (taken == bytes.size() || taken >= kWorthyData)) count_useful_work();
  if (taken < bytes.size()) {
    if (!stream->waiting) waiting.push_back(id);
    stream->waiting = true;
  } else if (ends) {
    end_local(*stream);
  }
  return taken;
}

void Session::State::end_local(OpenStream& stream) {
  stream.local_ended = true;
  forget_if_ended(stream);
}

// Those that wait, in turn: one that is served goes to the end when it waits again.
void Session::State::notify_writable() {
  if (waiting.empty() || send_window <= 0 || out.size() >= options.output_limit) return;
  notifying.swap(waiting);
  for (size_t i = 0; i < notifying.size(); ++i) {
    OpenStream* stream = streams.find(notifying[i]);
    if (!stream || !stream->waiting) continue;
    if (room_for(*stream) == 0) {
      waiting.push_back(stream->id);
      continue;
    }
    stream->waiting = false;
    sink.on_writable(*stream);
  }
  notifying.clear();
}

void Session::State::give_connection_window(uint32_t bytes) {
  window_to_give += bytes;
  if (window_to_give < options.connection_window / 2) return;
  write_numbers(out, FrameType::WindowUpdate, 0, 0, window_to_give);
  receive_window += window_to_give;
  window_to_give = 0;
}

void Session::State::give_stream_window(OpenStream& stream, uint32_t bytes) {
  stream.window_to_give += bytes;
  if (stream.window_to_give < options.stream_window / 2) return;
  write_numbers(out, FrameType::WindowUpdate, 0, stream.id, stream.window_to_give);
  stream.receive_window += stream.window_to_give;
  stream.window_to_give = 0;
}

void Session::State::write_rst(StreamId id, ErrorCode code) {
  write_numbers(out, FrameType::RstStream, 0, id, static_cast<uint32_t>(code));
}

void Session::State::write_goaway(StreamId last, ErrorCode code, std::string_view debug) {
  size_t size = 8 + debug.size();
  char* p = put_frame_header(out.prepare(kFrameHeader + size), size, FrameType::Goaway, 0, 0);
  p = put_u32(put_u32(p, last), static_cast<uint32_t>(code));
  if (!debug.empty()) std::memcpy(p, debug.data(), debug.size());
  out.commit(kFrameHeader + size);
}

}  // namespace http::h2
