// SPDX-License-Identifier: Apache-2.0
#include "control/review_budget.h"

namespace control {

ReviewBudget::Share ReviewBudget::take(const std::string& address, size_t size) {
  auto known = by_address_.find(address);
  const size_t own = known == by_address_.end() ? 0 : known->second;
  if (size > kMostOfOne || own + size > kMostOfAddress || used_ + size > kMost) return {};
  used_ += size;
  by_address_[address] = own + size;
  return Share(*this, address, size);
}

ReviewBudget::Share::~Share() {
  if (!of_) return;
  of_->used_ -= size_;
  auto own = of_->by_address_.find(address_);
  if ((own->second -= size_) == 0) of_->by_address_.erase(own);
}

}  // namespace control
