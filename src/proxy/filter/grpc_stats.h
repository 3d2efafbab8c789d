// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "proxy/filter/filter.h"

namespace proxy {

// Counts the messages in a gRPC body as its bytes pass.
class MessageCounter {
 public:
  void see(std::string_view bytes);
  uint64_t count() const { return count_; }

 private:
  uint64_t left_ = 0;  // of the message that passes
  uint32_t size_ = 0;
  int header_ = 0;  // bytes seen of the next one's five
  uint64_t count_ = 0;
};

struct GrpcStatsConfig {
  bool all_methods = false;
  std::set<std::string, std::less<>> methods;  // "package.Service/Method"
  bool replace_dots = false;                   // in the service's name
};

class GrpcStatsFilter final : public Filter {
 public:
  explicit GrpcStatsFilter(GrpcStatsConfig config) : config_(std::move(config)) {}
  std::string_view name() const override { return "envoy.filters.http.grpc_stats"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
  Verdict on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;

 private:
  GrpcStatsConfig config_;
};

}  // namespace proxy
