// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>
#include <vector>

#include "localkube/api/streaming/spdy.h"

using localkube::spdy::Codec;
using localkube::spdy::Frame;

// What was read of one connection: its frames, and whether it broke.
struct Reading {
  std::vector<Frame> frames;
  bool broken = false;
};

static void drain(Codec& codec, Reading& reading) {
  while (!reading.broken) {
    auto frame = codec.next();
    if (!frame) reading.broken = true;
    if (!frame || !*frame) return;
    reading.frames.push_back(std::move(**frame));
  }
}

// The bytes mean the same frames whole and in pieces, and headers that were
// read are read the same after they were written again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Codec at_once, in_pieces;
  Reading whole, pieces;
  at_once.feed(bytes);
  drain(at_once, whole);
  for (size_t at = 0; at < size && !pieces.broken; at += 1 + at % 7) {
    in_pieces.feed(bytes.substr(at, 1 + at % 7));
    drain(in_pieces, pieces);
  }
  if (whole.broken != pieces.broken || whole.frames.size() != pieces.frames.size()) std::abort();
  Codec writer, reader;
  for (size_t i = 0; i < whole.frames.size(); ++i) {
    const Frame& frame = whole.frames[i];
    if (frame.headers != pieces.frames[i].headers || frame.payload != pieces.frames[i].payload) std::abort();
    if (frame.type != Frame::Type::SynStream) continue;
    reader.feed(writer.syn_stream(frame.stream, frame.headers, frame.fin));
    auto again = reader.next();
    if (!again || !*again || (*again)->headers != frame.headers || (*again)->fin != frame.fin) std::abort();
  }
  return 0;
}
