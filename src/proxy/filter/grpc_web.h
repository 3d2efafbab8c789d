// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proxy/filter/filter.h"

namespace proxy {

// Lets browsers speak to gRPC services: gRPC-Web's PROTOCOL-WEB.md in front,
// gRPC behind. Trailers become the body's last frame; the "-text" kinds are base64.
class GrpcWebFilter final : public Filter {
 public:
  std::string_view name() const override { return "envoy.filters.http.grpc_web"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
};

// Whole groups of four from the front of `bytes`, decoded; each group may be
// padded. What is left of an incomplete group stays. False: not base64.
bool take_base64(net::Buffer& bytes, std::string& out);
// The frame that carries trailers: flag 0x80, length, "name: value" lines.
std::string trailers_frame(const http::Headers& trailers);

}  // namespace proxy
