// SPDX-License-Identifier: Apache-2.0
#include "fuzz/h1_meaning.h"

using http::h1::RequestParser;

// The first byte says how the input is cut; the rest is what a client sends.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestParser whole, cut;
  auto meaning = fuzz::read(whole, bytes, bytes.size());
  auto pieces = fuzz::read(cut, bytes, data[0] % 16 + 1);
  fuzz::require_same(meaning, pieces);
  if (meaning.end != http::h1::Event::Complete) return 0;

  // What a proxy would send on must be read as the same message.
  net::Buffer out;
  auto& head = whole.head();
  if (head.authority.empty() || head.method == "CONNECT") return 0;
  http::h1::write_request(out, head, whole.body());
  fuzz::write_body(out, whole, meaning.body);
  RequestParser again;
  auto copy = fuzz::read(again, out.view(), out.size());
  fuzz::require(copy.end == http::h1::Event::Complete && copy.used == out.size());
  fuzz::require(copy.body == meaning.body && again.head().path == head.path && again.head().method == head.method &&
                again.head().authority == head.authority);
  return 0;
}
