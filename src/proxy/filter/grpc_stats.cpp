// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/grpc_stats.h"

#include <algorithm>

#include "base/strings.h"
#include "proxy/stream/stream.h"

namespace proxy {

void MessageCounter::see(std::string_view bytes) {
  while (!bytes.empty()) {
    if (left_) {
      size_t passed = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
      left_ -= passed;
      bytes.remove_prefix(passed);
      continue;
    }
    auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    size_ = header_ == 0 ? 0 : size_ << 8 | byte;
    if (++header_ < 5) continue;
    header_ = 0;
    left_ = size_;
    ++count_;
  }
}

namespace {

struct Call final : FilterState {
  std::string service, method;
  MessageCounter requests, responses;
  std::optional<int> status;  // of the trailers; filters in front may take them off
  void on_end(Stream& stream) override {
    if (stream.record.cluster.empty()) return;  // nobody was called
    auto& series = stream.worker().grpc_metrics.of(stream.record.cluster, service, method);
    ++series.total;
    if (!status) status = stream.grpc_status();
    ++(status == 0 ? series.success : series.failure);
    if (status && *status >= 0 && *status < static_cast<int>(series.by_code.size()))
      ++series.by_code[static_cast<size_t>(*status)];
    series.requests += requests.count();
    series.responses += responses.count();
  }
};

}  // namespace

Verdict GrpcStatsFilter::on_request(Stream& stream) const {
  auto type = stream.request.headers.get("content-type");
  if (!type || !is_grpc_type(*type)) return Continue{};
  std::string_view path = stream.request.path_only();
  if (path.starts_with('/')) path.remove_prefix(1);
  size_t slash = path.find('/');
  if (slash == path.npos || path.find('/', slash + 1) != path.npos) return Continue{};
  Call& call = stream.state<Call>(*this);
  if (config_.all_methods || config_.methods.contains(path)) {
    call.service = path.substr(0, slash);
    call.method = path.substr(slash + 1);
    if (config_.replace_dots) std::replace(call.service.begin(), call.service.end(), '.', '_');
  }
  stream.watch_request_body();
  return Continue{};
}

void GrpcStatsFilter::on_response(Stream& stream, http::ResponseHead& head) const {
  auto type = head.headers.get("content-type");
  if (type && is_grpc_type(*type) && stream.find_state<Call>(*this)) stream.watch_response_body();
}

Verdict GrpcStatsFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool) const {
  stream.state<Call>(*this).requests.see(bytes.view());
  return Continue{};
}
Verdict GrpcStatsFilter::on_response_data(Stream& stream, net::Buffer& bytes, bool) const {
  stream.state<Call>(*this).responses.see(bytes.view());
  return Continue{};
}
Verdict GrpcStatsFilter::on_request_trailers(Stream& stream, net::Buffer& last, http::Headers&) const {
  return on_request_data(stream, last, true);
}
Verdict GrpcStatsFilter::on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const {
  if (auto text = trailers.get("grpc-status")) stream.state<Call>(*this).status = base::parse_number<int>(*text);
  return on_response_data(stream, last, true);
}

}  // namespace proxy
