// SPDX-License-Identifier: Apache-2.0
#include "http/h2_state.h"
#include "http/syntax.h"

namespace http::h2 {

// A header block is complete: whatever becomes of it, it passes the decoder, or
// the compression state would be lost.
void Session::State::on_header_block(std::string_view bytes) {
  const StreamId id = block_id;
  Headers& nowhere = trailers;
  OpenStream* stream = streams.find(id);
  if (stream) {
    if (!stream->head_received && !stream->remote_ended) return on_response_block(*stream, bytes);  // a client's
    bool due = !stream->remote_ended && block_ends_stream && !block_depends_on_itself;
    if (due) return on_trailers_block(*stream, bytes);
    ErrorCode code = stream->remote_ended ? ErrorCode::StreamClosed : ErrorCode::ProtocolError;
    if (decode(bytes, BlockKind::Discard, nowhere) != Verdict::Broken) stream_error(id, code);
    return;
  }
  if (id % 2 == 0 || (role == Role::Client && is_idle(id)))
    return fail(ErrorCode::ProtocolError, "HEADERS on a stream that the peer cannot open");
  if (!is_idle(id)) {
    if (role == Role::Server && closed.find(id) != ClosedStreams::How::ResetByUs) {
      bool known = closed.find(id) != ClosedStreams::How::Unknown;
      return fail(known ? ErrorCode::StreamClosed : ErrorCode::ProtocolError, "HEADERS on a closed stream");
    }
    const bool expected = role == Role::Client && was_reset_by_us(id);
    if (decode(bytes, BlockKind::Discard, nowhere) != Verdict::Broken && !expected) count_control_frame();
    return;
  }
  last_peer = id;
  ++peer_opened;
  count_useful_work();
  bool full = streams.size() >= options.max_streams;
  if (!full && draining != Draining::Final && !block_depends_on_itself) return on_request_block(bytes);
  if (decode(bytes, BlockKind::Discard, nowhere) == Verdict::Broken) return;
  if (draining == Draining::Final) return closed.add(id, ClosedStreams::How::ResetByUs);  // it may try elsewhere
  open_refused(id, full ? ErrorCode::RefusedStream : ErrorCode::ProtocolError);
}

// A stream that ends before it was opened to the sink.
void Session::State::open_refused(StreamId id, ErrorCode code) {
  write_rst(id, code);
  closed.add(id, ClosedStreams::How::ResetByUs);
  count_reset(now);
}

void Session::State::on_request_block(std::string_view bytes) {
  const StreamId id = block_id;
  request.method.clear();
  request.scheme.clear();
  request.authority.clear();
  request.path.clear();
  request.protocol.clear();
  Verdict verdict = decode(bytes, BlockKind::Request, request.headers);
  if (verdict == Verdict::Good && (!check_request() || (block_ends_stream && length_seen && length > 0)))
    verdict = Verdict::Malformed;
  if (verdict == Verdict::Broken) return;
  if (verdict == Verdict::Malformed) return open_refused(id, ErrorCode::ProtocolError);
  if (verdict == Verdict::TooLarge) return refuse_too_large(id, block_ends_stream);
  if (cookies > 1) join_cookies(request.headers);

  OpenStream& stream = add_stream(id);
  stream.head_received = true;
  stream.has_length = length_seen;
  stream.body_promised = length;
  stream.remote_ended = block_ends_stream;
  stream.head_bytes = block_bytes;
  sink.on_request(stream, request, block_ends_stream);
  if (!block_ends_stream) return;
  if (OpenStream* same = streams.find(id)) forget_if_ended(*same);
}

void Session::State::on_response_block(OpenStream& stream, std::string_view bytes) {
  const StreamId id = block_id;
  response.status = 0;
  count_block(stream);
  Verdict verdict = decode(bytes, BlockKind::Response, response.headers);
  if (verdict == Verdict::Broken) return;
  int status = response.status;
  bool interim = status < 200;
  bool bodiless = stream.answers_head || status == 304;
  if (verdict == Verdict::TooLarge) return stream_error(id, ErrorCode::EnhanceYourCalm);
  if (verdict == Verdict::Malformed || !status_seen || status == 101 || (interim && block_ends_stream) ||
      (block_ends_stream && length_seen && length > 0 && !bodiless))
    return stream_error(id, ErrorCode::ProtocolError);
  if (interim) {
    count_control_frame();
    if (!failed) sink.on_response(stream, response, false);
    return;
  }
  count_useful_work();
  stream.head_received = true;
  stream.has_length = length_seen && !bodiless;
  stream.body_promised = length;
  stream.remote_ended = block_ends_stream;
  sink.on_response(stream, response, block_ends_stream);
  if (!block_ends_stream) return;
  if (OpenStream* same = streams.find(id)) forget_if_ended(*same);
}

void Session::State::on_trailers_block(OpenStream& stream, std::string_view bytes) {
  const StreamId id = block_id;
  count_block(stream);
  Verdict verdict = decode(bytes, BlockKind::Trailers, trailers);
  if (verdict == Verdict::Broken) return;
  if (verdict != Verdict::Good || !end_of_body_fits(stream)) return stream_error(id, ErrorCode::ProtocolError);
  stream.remote_ended = true;
  sink.on_trailers(stream, trailers);
  if (OpenStream* same = streams.find(id)) forget_if_ended(*same);
}

bool Session::State::end_of_body_fits(const OpenStream& stream) const {
  return !stream.has_length || stream.body_received == stream.body_promised;
}

Session::State::Verdict Session::State::decode(std::string_view bytes, BlockKind kind, Headers& headers) {
  headers.clear();
  regular_seen = host_seen = length_seen = false;
  method_seen = scheme_seen = authority_seen = path_seen = protocol_seen = status_seen = false;
  length = 0;
  cookies = 0;
  size_t size = 0, fields = 0;
  Verdict verdict = Verdict::Good;
  decoder.begin(bytes);
  for (;;) {
    switch (decoder.next()) {
      case hpack::Decoder::Step::Done:
        return verdict;
      case hpack::Decoder::Step::Error:
        fail(ErrorCode::CompressionError, "a header block that cannot be decoded");
        return Verdict::Broken;
      case hpack::Decoder::Step::Field:
        break;
    }
    std::string_view name = decoder.name(), value = decoder.value();
    size += name.size() + value.size() + hpack::kEntryOverhead;
    if (size > options.max_header_bytes || ++fields > options.max_header_fields) {
      if (size > 8 * options.max_header_bytes) {  // references to large entries cost a byte each
        fail(ErrorCode::EnhanceYourCalm, "a header block that decodes to too much");
        return Verdict::Broken;
      }
      verdict = Verdict::TooLarge;
    }
    if (verdict != Verdict::Good || kind == BlockKind::Discard) continue;
    if (name.starts_with(':')) {
      if (regular_seen || !read_pseudo(name, value, kind)) verdict = Verdict::Malformed;
      continue;
    }
    regular_seen = true;
    if (!check_field(name, value, kind)) {
      verdict = Verdict::Malformed;
    } else if (name != "host") {
      headers.add(name, value);
    }
  }
}

bool Session::State::read_pseudo(std::string_view name, std::string_view value, BlockKind kind) {
  auto once = [](bool& seen) { return !std::exchange(seen, true); };
  if (kind == BlockKind::Response) {
    if (name != ":status" || !once(status_seen) || value.size() != 3) return false;
    for (char c : value) {
      if (c < '0' || c > '9') return false;
      response.status = response.status * 10 + (c - '0');
    }
    return response.status >= 100;
  }
  if (kind != BlockKind::Request) return false;
  if (name == ":method") {
    request.method.assign(value);
    return once(method_seen) && syntax::valid_token(value) && value.size() <= 32;
  }
  if (name == ":path") {
    request.path.assign(value);
    return once(path_seen) && !value.empty() && syntax::valid_target(value);
  }
  if (name == ":authority") {
    request.authority.assign(value);
    return once(authority_seen) && syntax::valid_authority(value);
  }
  if (name == ":scheme") {
    request.scheme.assign(value);
    return once(scheme_seen) && syntax::valid_lower_token(value);
  }
  if (name == ":protocol") {
    request.protocol.assign(value);
    return once(protocol_seen) && options.extended_connect && syntax::valid_token(value);
  }
  return false;
}

bool Session::State::check_request() {
  if (!method_seen) return false;
  if (host_seen) {
    if (!authority_seen) {
      request.authority.assign(host);
    } else if (host != request.authority) {
      return false;
    }
  } else if (!authority_seen) {
    return false;
  }
  bool connect = request.method == "CONNECT";
  if (protocol_seen && !connect) return false;
  if (connect && !protocol_seen) return !scheme_seen && !path_seen;
  if (!scheme_seen || !path_seen) return false;
  return request.path.front() == '/' || (request.path == "*" && request.method == "OPTIONS");
}

bool Session::State::check_field(std::string_view name, std::string_view value, BlockKind kind) {
  if (!syntax::valid_lower_token(name) || !syntax::valid_value(value)) return false;
  auto blank = [](char c) { return c == ' ' || c == '\t'; };
  if (!value.empty() && (blank(value.front()) || blank(value.back()))) return false;
  if (name.size() == 6 && name == "cookie") ++cookies;
  if (!syntax::codec_owned(name)) return true;
  if (name == "content-length") {
    if (kind == BlockKind::Trailers || std::exchange(length_seen, true)) return false;
    return syntax::parse_length(value, length);
  }
  if (name == "host") {
    if (kind != BlockKind::Request || std::exchange(host_seen, true)) return false;
    host.assign(value);
    return syntax::valid_authority(value);
  }
  return name == "te" && kind == BlockKind::Request && syntax::equal_lower(value, "trailers");
}

// RFC 9113 section 8.2.3: split for compression, one field everywhere else.
void Session::State::join_cookies(Headers& headers) {
  std::string joined;
  for (auto [name, value] : headers) {
    if (name != "cookie") continue;
    if (!joined.empty()) joined += "; ";
    joined += value;
  }
  headers.set("cookie", joined);
}

}  // namespace http::h2
