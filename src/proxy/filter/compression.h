// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "net/buffer.h"

namespace proxy {

// Turns the bytes of one body into others as they come.
class BodyCodec {
 public:
  virtual ~BodyCodec() = default;
  // Appends to `out` what is ready; `end`: nothing more comes. False: it failed.
  virtual bool feed(std::string_view in, net::Buffer& out, bool end) = 0;
};

enum class Encoding : uint8_t { Gzip, Brotli, Zstd };
std::string_view name(Encoding encoding);  // as content-encoding says it: "gzip", "br", "zstd"

struct EncoderSettings {
  Encoding encoding = Encoding::Gzip;
  int level = -1;               // gzip: 1..9, -1 is zlib's own; brotli: 0..11; zstd: 1..22
  int window_bits = 12;         // gzip: 9..15; brotli: 10..24
  int memory_level = 5;         // gzip
  int strategy = 0;             // gzip, zstd: the library's number
  int mode = 0;                 // brotli
  int block_bits = 24;          // brotli
  bool plain_literals = false;  // brotli: no context modelling
  bool checksum = false;        // zstd
};

struct DecoderSettings {
  Encoding encoding = Encoding::Gzip;
  int window_bits = 15;  // gzip
  // A body may become so many times its size; a bomb becomes an error.
  uint64_t most_ratio = 100;
};

// The other way round, and no faster than it is asked to: a little can become much.
class BodyDecoder {
 public:
  virtual ~BodyDecoder() = default;
  enum class Step : uint8_t { Done, More, Bad };
  // Takes from the beginning of `in`, and appends to `out`, until all is taken or about `most` bytes were appended
  // (More: call again, with what is left of `in`, which may be nothing). `end`: nothing comes behind `in`.
  // Bad: the bytes make no sense, or grow beyond the limit.
  virtual Step feed(std::string_view& in, net::Buffer& out, size_t most, bool end) = 0;
};

std::unique_ptr<BodyCodec> make_encoder(const EncoderSettings& settings);
std::unique_ptr<BodyDecoder> make_decoder(const DecoderSettings& settings);

}  // namespace proxy
