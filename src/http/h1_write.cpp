// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstring>

#include "http/h1.h"
#include "http/syntax.h"

namespace http::h1 {

namespace {

// Writes into room that was prepared; the caller knows an upper bound.
struct Pen {
  char* at;

  void put(std::string_view text) {
    std::memcpy(at, text.data(), text.size());
    at += text.size();
  }
  void put(uint64_t number) { at = std::to_chars(at, at + 20, number).ptr; }
};

constexpr size_t kFramingRoom = 128;  // status line or version, framing and connection fields

size_t room_of(const Headers& headers) { return headers.bytes() + 4 * headers.size(); }

void put_fields(Pen& pen, const Headers& headers) {
  for (auto [name, value] : headers) {
    if (syntax::codec_owned(name) || !syntax::valid_token(name) || !syntax::valid_value(value)) continue;
    pen.put(name);
    pen.put(": ");
    pen.put(value);
    pen.put("\r\n");
  }
}

void put_framing(Pen& pen, Body body) {
  if (body.kind == Body::Kind::Length) {
    pen.put("content-length: ");
    pen.put(body.size);
    pen.put("\r\n");
  } else if (body.kind == Body::Kind::Chunked) {
    pen.put("transfer-encoding: chunked\r\n");
  }
}

}  // namespace

// The connection's own fields, and the empty line.
static void finish_head(net::Buffer& out, Pen pen, char* begin, const Headers& headers, Connection connection,
                        const Spelling* spelling) {
  if (connection == Connection::Close) pen.put("connection: close\r\n");
  if (connection == Connection::SaysKeepAlive) pen.put("connection: keep-alive\r\n");
  if (connection == Connection::Upgrade) {
    pen.put("connection: Upgrade\r\n");
    for (auto [name, value] : headers) {
      if (name != "upgrade" || !syntax::valid_value(value)) continue;
      pen.put("upgrade: ");
      pen.put(value);
      pen.put("\r\n");
    }
  }
  pen.put("\r\n");
  if (spelling) spelling->respell(begin, pen.at);
  out.commit(static_cast<size_t>(pen.at - begin));
}

// A target from elsewhere than a parser may hold what would end the line.
static void put_target(Pen& pen, std::string_view target) {
  if (syntax::valid_target(target)) return pen.put(target);
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (char c : target) {
    auto byte = static_cast<uint8_t>(c);
    if (byte > 0x20 && byte < 0x7f && c != '#') {
      *pen.at++ = c;
    } else {
      *pen.at++ = '%';
      *pen.at++ = kDigits[byte >> 4];
      *pen.at++ = kDigits[byte & 15];
    }
  }
}

void write_request(net::Buffer& out, const RequestHead& head, Body body, Connection connection,
                   const Spelling* spelling) {
  bool connect = head.method == "CONNECT" && head.protocol.empty();
  std::string_view target = connect ? std::string_view(head.authority) : std::string_view(head.path);
  if (target.empty()) target = "/";
  std::string_view method = syntax::valid_token(head.method) ? std::string_view(head.method) : "INVALID";
  char* begin =
      out.prepare(room_of(head.headers) + method.size() + 3 * target.size() + head.authority.size() + kFramingRoom);
  Pen pen{begin};
  pen.put(method);
  pen.put(" ");
  put_target(pen, target);
  pen.put(" HTTP/1.1\r\nhost: ");
  if (syntax::valid_value(head.authority)) pen.put(head.authority);
  pen.put("\r\n");
  put_fields(pen, head.headers);
  put_framing(pen, body);
  finish_head(out, pen, begin, head.headers, connection, spelling);
}

static void put_status_line(Pen& pen, int status) {
  if (status == 200) return pen.put("HTTP/1.1 200 OK\r\n");
  pen.put("HTTP/1.1 ");
  pen.put(static_cast<uint64_t>(status >= 100 && status <= 999 ? status : 500));
  pen.put(" ");
  pen.put(reason_phrase(status));
  pen.put("\r\n");
}

void write_response(net::Buffer& out, const ResponseHead& head, Body body, Connection connection,
                    const Spelling* spelling) {
  char* begin = out.prepare(room_of(head.headers) + kFramingRoom);
  Pen pen{begin};
  put_status_line(pen, head.status);
  put_fields(pen, head.headers);
  put_framing(pen, body);
  finish_head(out, pen, begin, head.headers, connection, spelling);
}

void write_chunk(net::Buffer& out, std::string_view bytes) {
  if (bytes.empty()) return;
  char* begin = out.prepare(bytes.size() + 20);
  Pen pen{begin};
  pen.at = std::to_chars(pen.at, pen.at + 16, bytes.size(), 16).ptr;
  pen.put("\r\n");
  pen.put(bytes);
  pen.put("\r\n");
  out.commit(static_cast<size_t>(pen.at - begin));
}

void write_last_chunk(net::Buffer& out, const Headers& trailers, const Spelling* spelling) {
  char* begin = out.prepare(room_of(trailers) + 8);
  Pen pen{begin};
  pen.put("0\r\n");
  put_fields(pen, trailers);
  pen.put("\r\n");
  if (spelling) spelling->respell(begin, pen.at);
  out.commit(static_cast<size_t>(pen.at - begin));
}

void write_interim(net::Buffer& out, int status, const Headers& headers) {
  char* begin = out.prepare(room_of(headers) + kFramingRoom);
  Pen pen{begin};
  put_status_line(pen, status);
  put_fields(pen, headers);
  pen.put("\r\n");
  out.commit(static_cast<size_t>(pen.at - begin));
}

}  // namespace http::h1
