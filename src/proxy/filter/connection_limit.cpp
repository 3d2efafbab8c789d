// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/connection_limit.h"

#include "proxy/runtime/worker.h"

namespace proxy {
namespace {

// Goes with the connection, and gives its place back.
struct OpenPlace final : Origin::Kept {
  explicit OpenPlace(std::shared_ptr<std::atomic<uint64_t>> open) : open(std::move(open)) {}
  ~OpenPlace() override { open->fetch_sub(1, std::memory_order_relaxed); }
  std::shared_ptr<std::atomic<uint64_t>> open;
};

}  // namespace

std::optional<std::string> ConnectionLimitFilter::refuses(Worker& worker, const Origin& origin) const {
  if (open_->fetch_add(1, std::memory_order_relaxed) < most_) {
    origin.keep<OpenPlace>(this, open_);
    return std::nullopt;
  }
  open_->fetch_sub(1, std::memory_order_relaxed);
  worker.count(limited_);
  return "connection_limit_reached";
}

}  // namespace proxy
