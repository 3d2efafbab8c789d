// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/compression.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

namespace proxy {
namespace {

constexpr size_t kRoom = 4096;
// What a few bytes may become whatever the ratio.
constexpr uint64_t kFree = 64 * 1024;

uint8_t* bytes_of(net::Buffer& out) { return reinterpret_cast<uint8_t*>(out.prepare(kRoom)); }

class GzipEncoder final : public BodyCodec {
 public:
  explicit GzipEncoder(const EncoderSettings& s) {
    good_ = deflateInit2(&z_, s.level, Z_DEFLATED, s.window_bits | 16, s.memory_level, s.strategy) == Z_OK;
  }
  ~GzipEncoder() override { deflateEnd(&z_); }
  bool feed(std::string_view in, net::Buffer& out, bool end) override {
    if (!good_) return false;
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = static_cast<uInt>(in.size());
    for (;;) {
      z_.next_out = bytes_of(out);
      z_.avail_out = kRoom;
      int status = deflate(&z_, end ? Z_FINISH : Z_NO_FLUSH);
      out.commit(kRoom - z_.avail_out);
      if (status == Z_STREAM_END) return true;
      if (status != Z_OK && status != Z_BUF_ERROR) return false;
      if (z_.avail_out) return !end;
    }
  }

 private:
  z_stream z_{};
  bool good_ = false;
};

class BrotliEncoder final : public BodyCodec {
 public:
  explicit BrotliEncoder(const EncoderSettings& s) : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, static_cast<uint32_t>(s.level < 0 ? 3 : s.level));
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, static_cast<uint32_t>(s.window_bits));
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGBLOCK, static_cast<uint32_t>(s.block_bits));
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_MODE, static_cast<uint32_t>(s.mode));
    BrotliEncoderSetParameter(state_, BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING, s.plain_literals);
  }
  ~BrotliEncoder() override { BrotliEncoderDestroyInstance(state_); }
  bool feed(std::string_view in, net::Buffer& out, bool end) override {
    auto* next_in = reinterpret_cast<const uint8_t*>(in.data());
    size_t left_in = in.size();
    do {
      uint8_t* next_out = bytes_of(out);
      size_t left_out = kRoom;
      if (!BrotliEncoderCompressStream(state_, end ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS, &left_in,
                                       &next_in, &left_out, &next_out, nullptr))
        return false;
      out.commit(kRoom - left_out);
    } while (left_in || BrotliEncoderHasMoreOutput(state_));
    return true;
  }

 private:
  BrotliEncoderState* state_;
};

class ZstdEncoder final : public BodyCodec {
 public:
  explicit ZstdEncoder(const EncoderSettings& s) : state_(ZSTD_createCCtx()) {
    ZSTD_CCtx_setParameter(state_, ZSTD_c_compressionLevel, s.level < 0 ? 3 : s.level);
    ZSTD_CCtx_setParameter(state_, ZSTD_c_checksumFlag, s.checksum);
    if (s.strategy) ZSTD_CCtx_setParameter(state_, ZSTD_c_strategy, s.strategy);
  }
  ~ZstdEncoder() override { ZSTD_freeCCtx(state_); }
  bool feed(std::string_view in, net::Buffer& out, bool end) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    for (;;) {
      ZSTD_outBuffer to{out.prepare(kRoom), kRoom, 0};
      size_t left = ZSTD_compressStream2(state_, &to, &from, end ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return false;
      out.commit(to.pos);
      if (end ? left == 0 : from.pos == from.size) return true;
    }
  }

 private:
  ZSTD_CCtx* state_;
};

// Counts both sides, against bombs.
class Decoder : public BodyCodec {
 public:
  explicit Decoder(uint64_t most_ratio) : most_ratio_(most_ratio) {}

 protected:
  bool counted(size_t in, size_t out) {
    in_ += in;
    out_ += out;
    return out_ <= kFree + in_ * most_ratio_;
  }

 private:
  const uint64_t most_ratio_;
  uint64_t in_ = 0, out_ = 0;
};

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(const DecoderSettings& s) : Decoder(s.most_ratio) {
    good_ = inflateInit2(&z_, s.window_bits | 16) == Z_OK;
  }
  ~GzipDecoder() override { inflateEnd(&z_); }
  bool feed(std::string_view in, net::Buffer& out, bool end) override {
    if (!good_) return false;
    if (!counted(in.size(), 0)) return false;
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = static_cast<uInt>(in.size());
    began_ |= !in.empty();
    for (;;) {
      if (ended_) {  // a further member may follow (RFC 1952, 2.2)
        if (!z_.avail_in) return true;
        if (inflateReset(&z_) != Z_OK) return false;
        ended_ = false;
      }
      z_.next_out = bytes_of(out);
      z_.avail_out = kRoom;
      int status = inflate(&z_, Z_NO_FLUSH);
      out.commit(kRoom - z_.avail_out);
      if (!counted(0, kRoom - z_.avail_out)) return false;
      if (status == Z_STREAM_END) {
        ended_ = true;
        continue;
      }
      if (status != Z_OK && status != Z_BUF_ERROR) return false;
      if (z_.avail_out) return !end || !began_;  // cut short
    }
  }

 private:
  z_stream z_{};
  bool good_ = false, ended_ = false, began_ = false;
};

class BrotliDecoder final : public Decoder {
 public:
  explicit BrotliDecoder(const DecoderSettings& s)
      : Decoder(s.most_ratio), state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}
  ~BrotliDecoder() override { BrotliDecoderDestroyInstance(state_); }
  bool feed(std::string_view in, net::Buffer& out, bool end) override {
    auto* next_in = reinterpret_cast<const uint8_t*>(in.data());
    size_t left_in = in.size();
    began_ |= !in.empty();
    if (!counted(in.size(), 0)) return false;
    for (;;) {
      uint8_t* next_out = bytes_of(out);
      size_t left_out = kRoom;
      auto status = BrotliDecoderDecompressStream(state_, &left_in, &next_in, &left_out, &next_out, nullptr);
      out.commit(kRoom - left_out);
      if (!counted(0, kRoom - left_out) || status == BROTLI_DECODER_RESULT_ERROR) return false;
      if (status == BROTLI_DECODER_RESULT_SUCCESS) return left_in == 0;
      if (status == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) return !end || !began_;
    }
  }

 private:
  BrotliDecoderState* state_;
  bool began_ = false;
};

class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(const DecoderSettings& s) : Decoder(s.most_ratio), state_(ZSTD_createDCtx()) {}
  ~ZstdDecoder() override { ZSTD_freeDCtx(state_); }
  bool feed(std::string_view in, net::Buffer& out, bool end) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    if (!counted(in.size(), 0)) return false;
    for (;;) {
      ZSTD_outBuffer to{out.prepare(kRoom), kRoom, 0};
      size_t before = from.pos;
      size_t left = ZSTD_decompressStream(state_, &to, &from);
      if (ZSTD_isError(left)) return false;
      out.commit(to.pos);
      if (!counted(0, to.pos)) return false;
      if (from.pos != before || to.pos) open_ = left != 0;
      if (to.pos < kRoom && from.pos == from.size) return !end || !open_;
    }
  }

 private:
  ZSTD_DCtx* state_;
  bool open_ = false;  // within a frame
};

}  // namespace

std::string_view name(Encoding encoding) {
  switch (encoding) {
    case Encoding::Gzip:
      return "gzip";
    case Encoding::Brotli:
      return "br";
    case Encoding::Zstd:
      return "zstd";
  }
  return {};
}

std::unique_ptr<BodyCodec> make_encoder(const EncoderSettings& settings) {
  switch (settings.encoding) {
    case Encoding::Brotli:
      return std::make_unique<BrotliEncoder>(settings);
    case Encoding::Zstd:
      return std::make_unique<ZstdEncoder>(settings);
    default:
      return std::make_unique<GzipEncoder>(settings);
  }
}

std::unique_ptr<BodyCodec> make_decoder(const DecoderSettings& settings) {
  switch (settings.encoding) {
    case Encoding::Brotli:
      return std::make_unique<BrotliDecoder>(settings);
    case Encoding::Zstd:
      return std::make_unique<ZstdDecoder>(settings);
    default:
      return std::make_unique<GzipDecoder>(settings);
  }
}

}  // namespace proxy
