// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "proxy/filter/filter.h"
#include "proxy/listener/session.h"

namespace proxy {

// Lets so many connections be open at a time, over all threads; those over the
// limit are closed.
class ConnectionLimitFilter final : public NetworkFilter {
 public:
  ConnectionLimitFilter(uint64_t most, Slot limited) : most_(most), limited_(limited) {}
  std::string_view name() const override { return "envoy.filters.network.connection_limit"; }
  std::optional<std::string> refuses(Worker& worker, const Origin& origin) const override;

 private:
  const uint64_t most_;
  const Slot limited_;
  const std::shared_ptr<std::atomic<uint64_t>> open_ = std::make_shared<std::atomic<uint64_t>>(0);
};

}  // namespace proxy
