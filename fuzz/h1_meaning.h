// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fuzz/require.h"
#include "http/h1.h"

// What a parser understood, for the HTTP/1 targets.
namespace fuzz {

struct Meaning {
  http::h1::Event end = http::h1::Event::NeedMore;
  std::string head, body, trailers;
  size_t used = 0;
};

inline std::string text_of(const http::Headers& headers) {
  std::string out;
  for (auto [name, value] : headers) out.append(name).append(": ").append(value).append("\n");
  return out;
}
inline std::string text_of(const http::RequestHead& head) {
  return head.method + " " + head.scheme + " " + head.authority + " " + head.path + "\n" + text_of(head.headers);
}
inline std::string text_of(const http::ResponseHead& head) {
  return std::to_string(head.status) + "\n" + text_of(head.headers);
}

// Reads one message, `step` bytes at a time, as a connection does.
template <typename Parser>
Meaning read(Parser& parser, std::string_view bytes, size_t step) {
  using http::h1::Event;
  Meaning meaning;
  std::string kept;
  for (size_t at = 0; at < bytes.size(); at += step) {
    kept += bytes.substr(at, step);
    std::string_view input = kept;
    for (;;) {
      meaning.end = parser.parse(input);
      if (meaning.end == Event::Head || meaning.end == Event::Interim) meaning.head += text_of(parser.head());
      if (meaning.end == Event::Data) meaning.body += parser.data();
      if (meaning.end == Event::NeedMore) break;
      if (meaning.end != Event::Complete && meaning.end != Event::Error) continue;
      meaning.used = std::min(at + step, bytes.size()) - input.size();
      if (meaning.end == Event::Complete) meaning.trailers = text_of(parser.trailers());
      return meaning;
    }
    kept.erase(0, kept.size() - input.size());
  }
  return meaning;
}

// A bad byte may be seen at once or only when its line is whole, so an error
// and a wait for more may stand against each other; anything else may not.
inline void require_same(const Meaning& a, const Meaning& b) {
  using http::h1::Event;
  require((a.end == Event::Complete) == (b.end == Event::Complete));
  if (a.end != Event::Complete) return;
  require(a.head == b.head && a.body == b.body && a.trailers == b.trailers && a.used == b.used);
}

inline void write_body(net::Buffer& out, http::h1::MessageParser& parser, std::string_view body) {
  if (parser.body().kind == http::h1::Body::Kind::Chunked) {
    http::h1::write_chunk(out, body);
    http::h1::write_last_chunk(out, parser.trailers());
  } else {
    out.append(body);
  }
}

}  // namespace fuzz
