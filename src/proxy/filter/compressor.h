// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "proxy/filter/compression.h"
#include "proxy/filter/filter.h"

namespace proxy {

// Which messages of one direction are worth it.
struct CompressionRules {
  bool enabled = true;
  uint64_t least = 30;             // bytes, where the length is known
  std::vector<std::string> types;  // lower case, without parameters; a message that names none is taken
};

struct CompressorConfig {
  EncoderSettings library;
  bool compress_requests = false;
  CompressionRules request, response;
  bool skip_etags = false;  // disable_on_etag_header; else strong ones are removed
  bool remove_accept_encoding = false;
  std::vector<int> skip_statuses;
  bool choose_first = false;  // among encodings that the client likes as much
};

struct CompressorPolicy final : FilterPolicy {
  bool off = false;
  std::optional<bool> remove_accept_encoding;
  std::optional<EncoderSettings> library;
};

// The encoding, among those offered in order, that an accept-encoding field
// asks for most (RFC 9110, 12.5.3); none: the body stays as it is.
std::optional<Encoding> choose_encoding(std::string_view accept_encoding,
                                        const std::vector<std::pair<Encoding, bool>>& offered);

// Compresses responses for clients that ask for it, and requests where it says so.
class CompressorFilter final : public Filter {
 public:
  explicit CompressorFilter(CompressorConfig config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.http.compressor"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
  Verdict on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;

 private:
  std::vector<std::pair<Encoding, bool>> offered(const Stream& stream, const http::Headers& headers) const;
  CompressorConfig config_;
};

struct DecompressorConfig {
  DecoderSettings library;
  bool requests = true, responses = true;
  bool ignore_no_transform_requests = false, ignore_no_transform_responses = false;
  bool advertise = false;  // adds the encoding to the request's accept-encoding
};

// Takes the outermost encoding off bodies, so that filters and peers behind it see plain ones.
class DecompressorFilter final : public Filter {
 public:
  explicit DecompressorFilter(DecompressorConfig config) : config_(config) {}
  std::string_view name() const override { return "envoy.filters.http.decompressor"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
  Verdict on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;

 private:
  DecompressorConfig config_;
};

}  // namespace proxy
