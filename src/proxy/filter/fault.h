// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proxy/filter/filter.h"
#include "proxy/filter/policy.h"

namespace proxy {

// Delays or answers a share of the requests itself, to rehearse an upstream's
// failure. The route's policy goes before the listener's.
class FaultFilter final : public Filter {
 public:
  explicit FaultFilter(FaultPolicy policy) : policy_(std::move(policy)) {}
  std::string_view name() const override { return "envoy.filters.http.fault"; }
  Verdict on_request(Stream& stream) const override;

 private:
  FaultPolicy policy_;
};

}  // namespace proxy
