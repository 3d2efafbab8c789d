// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/compression/brotli/compressor/v3/brotli.pb.h"
#include "envoy/extensions/compression/brotli/decompressor/v3/brotli.pb.h"
#include "envoy/extensions/compression/gzip/compressor/v3/gzip.pb.h"
#include "envoy/extensions/compression/gzip/decompressor/v3/gzip.pb.h"
#include "envoy/extensions/compression/zstd/compressor/v3/zstd.pb.h"
#include "envoy/extensions/compression/zstd/decompressor/v3/zstd.pb.h"
#include "envoy/extensions/filters/http/compressor/v3/compressor.pb.h"
#include "envoy/extensions/filters/http/decompressor/v3/decompressor.pb.h"
#include "proxy/filter/compressor.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::compressor::v3;
namespace back = envoy::extensions::filters::http::decompressor::v3;
namespace library = envoy::extensions::compression;
using envoy::config::core::v3::TypedExtensionConfig;
using google::protobuf::Any;

auto refuse(std::string message) {
  return std::unexpected(base::Error{.kind = base::ErrorKind::Invalid, .message = std::move(message)});
}

base::Result<int> within(const google::protobuf::UInt32Value& value, bool there, int usual, int least, int most,
                         std::string_view what) {
  if (!there) return usual;
  if (value.value() < static_cast<uint32_t>(least) || value.value() > static_cast<uint32_t>(most))
    return refuse(std::string(what) + " must be within " + std::to_string(least) + " and " + std::to_string(most));
  return static_cast<int>(value.value());
}

base::Result<EncoderSettings> gzip_encoder(const Any& any) {
  using Gzip = library::gzip::compressor::v3::Gzip;
  auto from = TRY(unpack<Gzip>(any));
  EncoderSettings out;
  out.memory_level = TRY(within(from.memory_level(), from.has_memory_level(), 5, 1, 9, "gzip memory_level"));
  out.window_bits = TRY(within(from.window_bits(), from.has_window_bits(), 12, 9, 15, "gzip window_bits"));
  out.level = from.compression_level() == Gzip::DEFAULT_COMPRESSION ? -1 : static_cast<int>(from.compression_level());
  constexpr int kStrategies[] = {0, 1, 2, 3, 4};  // zlib's numbers: default, filtered, Huffman only, RLE, fixed
  out.strategy = kStrategies[std::clamp<int>(from.compression_strategy(), 0, 4)];
  return out;
}

base::Result<EncoderSettings> brotli_encoder(const Any& any) {
  auto from = TRY(unpack<library::brotli::compressor::v3::Brotli>(any));
  EncoderSettings out{.encoding = Encoding::Brotli};
  out.level = TRY(within(from.quality(), from.has_quality(), 3, 0, 11, "brotli quality"));
  out.window_bits = TRY(within(from.window_bits(), from.has_window_bits(), 18, 10, 24, "brotli window_bits"));
  out.block_bits =
      TRY(within(from.input_block_bits(), from.has_input_block_bits(), 24, 16, 24, "brotli input_block_bits"));
  out.mode = std::max(0, static_cast<int>(from.encoder_mode()) - 1);  // DEFAULT is GENERIC
  out.plain_literals = from.disable_literal_context_modeling();
  return out;
}

base::Result<EncoderSettings> zstd_encoder(const Any& any) {
  auto from = TRY(unpack<library::zstd::compressor::v3::Zstd>(any));
  if (from.has_dictionary()) return refuse("zstd: dictionary is not known");
  EncoderSettings out{.encoding = Encoding::Zstd};
  out.level = TRY(within(from.compression_level(), from.has_compression_level(), 3, 1, 22, "zstd compression_level"));
  out.checksum = from.enable_checksum();
  out.strategy = static_cast<int>(from.strategy());  // zstd's own numbers
  return out;
}

base::Result<EncoderSettings> encoder_of(const TypedExtensionConfig& from) {
  std::string type = type_of(from.typed_config());
  if (type == "envoy.extensions.compression.gzip.compressor.v3.Gzip") return gzip_encoder(from.typed_config());
  if (type == "envoy.extensions.compression.brotli.compressor.v3.Brotli") return brotli_encoder(from.typed_config());
  if (type == "envoy.extensions.compression.zstd.compressor.v3.Zstd") return zstd_encoder(from.typed_config());
  return refuse("compressor library " + from.name() + " (" + type + ") is not known");
}

base::Result<DecoderSettings> decoder_of(const TypedExtensionConfig& from) {
  std::string type = type_of(from.typed_config());
  DecoderSettings out;
  if (type == "envoy.extensions.compression.gzip.decompressor.v3.Gzip") {
    auto gzip = TRY(unpack<library::gzip::decompressor::v3::Gzip>(from.typed_config()));
    out.window_bits = TRY(within(gzip.window_bits(), gzip.has_window_bits(), 15, 9, 15, "gzip window_bits"));
    out.most_ratio = static_cast<uint64_t>(
        TRY(within(gzip.max_inflate_ratio(), gzip.has_max_inflate_ratio(), 100, 1, 1032, "gzip max_inflate_ratio")));
  } else if (type == "envoy.extensions.compression.brotli.decompressor.v3.Brotli") {
    out.encoding = Encoding::Brotli;
  } else if (type == "envoy.extensions.compression.zstd.decompressor.v3.Zstd") {
    auto zstd = TRY(unpack<library::zstd::decompressor::v3::Zstd>(from.typed_config()));
    if (zstd.dictionaries_size()) return refuse("zstd: dictionaries are not known");
    out.encoding = Encoding::Zstd;
  } else {
    return refuse("decompressor library " + from.name() + " (" + type + ") is not known");
  }
  return out;
}

CompressionRules rules_of(const v3::Compressor::CommonDirectionConfig& from) {
  CompressionRules out;
  if (from.enabled().has_default_value()) out.enabled = from.enabled().default_value().value();
  if (from.has_min_content_length()) out.least = from.min_content_length().value();
  for (const std::string& type : from.content_type()) out.types.push_back(base::to_lower(type));
  if (out.types.empty())
    out.types = {"application/javascript",
                 "application/json",
                 "application/xhtml+xml",
                 "image/svg+xml",
                 "text/css",
                 "text/html",
                 "text/plain",
                 "text/xml"};
  return out;
}

base::Result<std::shared_ptr<Filter>> compressor_filter(const Compiler&, const Any& any) {
  auto from = TRY(unpack<v3::Compressor>(any));
  CompressorConfig out{.library = TRY(encoder_of(from.compressor_library()))};
  out.compress_requests = from.has_request_direction_config();
  out.request = rules_of(from.request_direction_config().common_config());
  out.choose_first = from.choose_first();
  if (from.has_response_direction_config()) {
    const auto& response = from.response_direction_config();
    out.response = rules_of(response.common_config());
    out.skip_etags = response.disable_on_etag_header();
    out.remove_accept_encoding = response.remove_accept_encoding_header();
    out.skip_statuses.assign(response.uncompressible_response_codes().begin(),
                             response.uncompressible_response_codes().end());
    if (response.status_header_enabled()) return refuse("status_header_enabled is not known");
  } else {  // the older fields
    v3::Compressor::CommonDirectionConfig common;
    if (from.has_content_length()) *common.mutable_min_content_length() = from.content_length();
    *common.mutable_content_type() = from.content_type();
    if (from.has_runtime_enabled()) *common.mutable_enabled() = from.runtime_enabled();
    out.response = rules_of(common);
    out.skip_etags = from.disable_on_etag_header();
    out.remove_accept_encoding = from.remove_accept_encoding_header();
  }
  return std::make_shared<CompressorFilter>(std::move(out));
}

base::Result<std::shared_ptr<const FilterPolicy>> compressor_policy(const Compiler&, const Any& any) {
  auto from = TRY(unpack<v3::CompressorPerRoute>(any));
  auto out = std::make_shared<CompressorPolicy>();
  out->off = from.disabled();
  if (from.has_overrides()) {
    const auto& response = from.overrides().response_direction_config();
    if (response.has_remove_accept_encoding_header())
      out->remove_accept_encoding = response.remove_accept_encoding_header().value();
    if (from.overrides().has_compressor_library())
      out->library = TRY(encoder_of(from.overrides().compressor_library()));
  }
  return out;
}

base::Result<std::shared_ptr<Filter>> decompressor_filter(const Compiler&, const Any& any) {
  auto from = TRY(unpack<back::Decompressor>(any));
  DecompressorConfig out{.library = TRY(decoder_of(from.decompressor_library()))};
  auto enabled = [](const back::Decompressor::CommonDirectionConfig& common) {
    return !common.enabled().has_default_value() || common.enabled().default_value().value();
  };
  const auto& request = from.request_direction_config();
  const auto& response = from.response_direction_config();
  out.requests = enabled(request.common_config());
  out.responses = enabled(response.common_config());
  out.ignore_no_transform_requests = request.common_config().ignore_no_transform_header();
  out.ignore_no_transform_responses = response.common_config().ignore_no_transform_header();
  out.advertise =
      out.responses && (!request.has_advertise_accept_encoding() || request.advertise_accept_encoding().value());
  return std::make_shared<DecompressorFilter>(std::move(out));
}

}  // namespace

const FilterKind kCompressorFilter{"envoy.extensions.filters.http.compressor.v3.Compressor", compressor_filter,
                                   "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute", compressor_policy};
const FilterKind kDecompressorFilter{
    "envoy.extensions.filters.http.decompressor.v3.Decompressor", decompressor_filter, {}};

}  // namespace proxy
