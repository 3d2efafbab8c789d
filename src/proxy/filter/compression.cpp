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
class Decoder : public BodyDecoder {
 public:
  explicit Decoder(uint64_t most_ratio) : most_ratio_(most_ratio) {}
  Step feed(std::string_view& in, net::Buffer& out, size_t most, bool end) final {
    began_ |= !in.empty();
    for (size_t made = 0; made < most;) {
      const size_t before = in.size(), size = out.size();
      const bool good = decode(in, out);
      in_ += before - in.size();
      out_ += out.size() - size;
      made += out.size() - size;
      if (!good || out_ > kFree + in_ * most_ratio_) return Step::Bad;
      if (out.size() - size == kRoom || in.size() != before) continue;  // there may be more
      if (!in.empty()) return Step::Bad;                                // it wants no more of it
      return !end || !began_ || complete() ? Step::Done : Step::Bad;    // cut short
    }
    return Step::More;
  }

 protected:
  // One call of the library, with kRoom bytes for the output.
  virtual bool decode(std::string_view& in, net::Buffer& out) = 0;
  virtual bool complete() const = 0;

 private:
  const uint64_t most_ratio_;
  uint64_t in_ = 0, out_ = 0;
  bool began_ = false;
};

class GzipDecoder final : public Decoder {
 public:
  explicit GzipDecoder(const DecoderSettings& s) : Decoder(s.most_ratio) {
    good_ = inflateInit2(&z_, s.window_bits | 16) == Z_OK;
  }
  ~GzipDecoder() override { inflateEnd(&z_); }

 private:
  bool decode(std::string_view& in, net::Buffer& out) override {
    if (!good_) return false;
    if (ended_) {  // a further member may follow (RFC 1952, 2.2)
      if (in.empty()) return true;
      if (inflateReset(&z_) != Z_OK) return false;
      ended_ = false;
    }
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = static_cast<uInt>(in.size());
    z_.next_out = bytes_of(out);
    z_.avail_out = kRoom;
    const int status = inflate(&z_, Z_NO_FLUSH);
    out.commit(kRoom - z_.avail_out);
    in.remove_prefix(in.size() - z_.avail_in);
    ended_ = status == Z_STREAM_END;
    return ended_ || status == Z_OK || status == Z_BUF_ERROR;
  }
  bool complete() const override { return ended_; }

  z_stream z_{};
  bool good_ = false, ended_ = false;
};

class BrotliDecoder final : public Decoder {
 public:
  explicit BrotliDecoder(const DecoderSettings& s)
      : Decoder(s.most_ratio), state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}
  ~BrotliDecoder() override { BrotliDecoderDestroyInstance(state_); }

 private:
  bool decode(std::string_view& in, net::Buffer& out) override {
    if (complete()) return true;
    auto* next_in = reinterpret_cast<const uint8_t*>(in.data());
    size_t left_in = in.size(), left_out = kRoom;
    uint8_t* next_out = bytes_of(out);
    auto status = BrotliDecoderDecompressStream(state_, &left_in, &next_in, &left_out, &next_out, nullptr);
    out.commit(kRoom - left_out);
    in.remove_prefix(in.size() - left_in);
    return status != BROTLI_DECODER_RESULT_ERROR;
  }
  bool complete() const override { return BrotliDecoderIsFinished(state_); }

  BrotliDecoderState* state_;
};

class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(const DecoderSettings& s) : Decoder(s.most_ratio), state_(ZSTD_createDCtx()) {}
  ~ZstdDecoder() override { ZSTD_freeDCtx(state_); }

 private:
  bool decode(std::string_view& in, net::Buffer& out) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.prepare(kRoom), kRoom, 0};
    const size_t left = ZSTD_decompressStream(state_, &to, &from);
    if (ZSTD_isError(left)) return false;
    out.commit(to.pos);
    in.remove_prefix(from.pos);
    if (from.pos || to.pos) open_ = left != 0;
    return true;
  }
  bool complete() const override { return !open_; }

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

std::unique_ptr<BodyDecoder> make_decoder(const DecoderSettings& settings) {
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
