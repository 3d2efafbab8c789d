// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proxy/filter/filter.h"
#include "proxy/filter/policy.h"

namespace proxy {

struct BufferPolicy final : FilterPolicy {
  uint32_t most = 0;  // bytes; 0: the filter lets everything pass
};

// Sends a request upstream once all of it has come, with its length, so that a
// slow sender costs the upstream nothing. More than the limit: 413.
class BufferFilter final : public Filter {
 public:
  explicit BufferFilter(uint32_t most) : most_(most) {}
  std::string_view name() const override { return "envoy.filters.http.buffer"; }
  Verdict on_request(Stream& stream) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;

 private:
  uint32_t most_of(const Stream& stream) const;
  const uint32_t most_;  // bytes
};

}  // namespace proxy
