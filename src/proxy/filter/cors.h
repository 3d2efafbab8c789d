// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proxy/filter/filter.h"
#include "proxy/filter/policy.h"

namespace proxy {

// Cross-origin requests (the Fetch standard), by the policy of the route.
class CorsFilter final : public Filter {
 public:
  CorsFilter(Slot allowed, Slot refused) : allowed_(allowed), refused_(refused) {}
  std::string_view name() const override { return "envoy.filters.http.cors"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;

 private:
  Slot allowed_, refused_;  // counters of origins
};

}  // namespace proxy
