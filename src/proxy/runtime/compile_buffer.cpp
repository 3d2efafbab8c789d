// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/http/buffer/v3/buffer.pb.h"
#include "proxy/filter/buffer.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::buffer::v3;
using google::protobuf::Any;

base::Result<uint32_t> most_of(const v3::Buffer& from) {
  if (uint32_t most = from.max_request_bytes().value()) return most;
  return base::fail(base::ErrorKind::Invalid, "max_request_bytes must be greater than 0");
}

base::Result<std::shared_ptr<Filter>> buffer_filter(const Compiler&, const Any& any) {
  return std::make_shared<BufferFilter>(TRY(most_of(TRY(unpack<v3::Buffer>(any)))));
}

base::Result<std::shared_ptr<const FilterPolicy>> buffer_policy(const Compiler&, const Any& any) {
  auto from = TRY(unpack<v3::BufferPerRoute>(any));
  auto out = std::make_shared<BufferPolicy>();
  if (from.has_buffer())
    out->most = TRY(most_of(from.buffer()));
  else if (!from.disabled())
    return base::fail(base::ErrorKind::Invalid, "BufferPerRoute says neither disabled nor buffer");
  return out;
}

}  // namespace

const FilterKind kBufferFilter{"envoy.extensions.filters.http.buffer.v3.Buffer", buffer_filter,
                               "envoy.extensions.filters.http.buffer.v3.BufferPerRoute", buffer_policy};

}  // namespace proxy
