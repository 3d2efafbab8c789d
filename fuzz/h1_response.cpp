// SPDX-License-Identifier: Apache-2.0
#include "fuzz/h1_meaning.h"

using http::h1::Answers;
using http::h1::Event;
using http::h1::ResponseParser;

// The first byte says how the input is cut and what it answers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  auto answers = static_cast<Answers>(data[0] >> 4 & 1);  // Other or Head
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  ResponseParser whole, cut;
  whole.next(answers);
  cut.next(answers);
  auto meaning = fuzz::read(whole, bytes, bytes.size());
  auto pieces = fuzz::read(cut, bytes, data[0] % 16 + 1);
  fuzz::require_same(meaning, pieces);
  if (meaning.end == Event::NeedMore) {
    Event end = whole.finish();
    fuzz::require(end == cut.finish());
    fuzz::require(end != Event::Complete || meaning.body == pieces.body);
  }
  if (meaning.end != Event::Complete || whole.switched()) return 0;

  net::Buffer out;
  http::h1::write_response(out, whole.head(), whole.body());
  if (answers == Answers::Other && whole.head().status != 304) fuzz::write_body(out, whole, meaning.body);
  ResponseParser again;
  again.next(answers);
  auto copy = fuzz::read(again, out.view(), out.size());
  fuzz::require(copy.end == Event::Complete && copy.used == out.size() && copy.body == meaning.body);
  return 0;
}
