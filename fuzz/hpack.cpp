// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "http/hpack.h"

using http::hpack::Decoder;
using http::hpack::Encoder;

using Fields = std::vector<std::pair<std::string, std::string>>;

static bool decode(Decoder& decoder, std::string_view block, Fields& out) {
  decoder.begin(block);
  for (;;) {
    switch (decoder.next()) {
      case Decoder::Step::Field:
        out.emplace_back(decoder.name(), decoder.value());
        break;
      case Decoder::Step::Done:
        return true;
      case Decoder::Step::Error:
        return false;
    }
  }
}

// Blocks, each after a byte that says its length. What decodes is encoded by a
// connection's encoder and must come back the same from its decoder.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Decoder decoder, back;
  Encoder encoder;
  for (size_t at = 0; at < size;) {
    size_t length = std::min<size_t>(data[at], size - at - 1);
    std::string_view block(reinterpret_cast<const char*>(data) + at + 1, length);
    at += 1 + length;
    Fields fields, again;
    if (!decode(decoder, block, fields)) return 0;
    if (decoder.table().size() > decoder.table().capacity()) std::abort();
    if (fields.size() > 1 && fields.size() % 5 == 0) encoder.set_table_size(static_cast<uint32_t>(length * 16));
    net::Buffer out;
    encoder.begin(out);
    for (auto& [name, value] : fields) encoder.field(out, name, value);
    if (!decode(back, out.view(), again) || again != fields) std::abort();
  }
  return 0;
}
