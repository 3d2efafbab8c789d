// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/buffer.h"

#include "proxy/stream/stream.h"

namespace proxy {

uint32_t BufferFilter::most_of(const Stream& stream) const {
  const auto* own = stream.policy<BufferPolicy>(*this);
  return own ? own->most : most_;
}

Verdict BufferFilter::on_request(Stream& stream) const {
  if (stream.request_bodyless() || stream.upgrading()) return Continue{};
  uint32_t most = most_of(stream);
  if (!most) return Continue{};
  stream.set_hold_limit(most);
  stream.watch_request_body();
  return Pause{};
}

Verdict BufferFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool end) const {
  if (bytes.size() > stream.hold_limit() || !end) return Pause{.gather = true};
  stream.set_request_length(bytes.size());
  return Continue{};
}

Verdict BufferFilter::on_request_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  if (last.size() > stream.hold_limit()) return Pause{.gather = true};
  return Continue{};
}

}  // namespace proxy
