// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "base/strings.h"

namespace control {

// How many bytes of reviews may be on their way at a time: the webhooks answer whoever connects, since API servers show
// no certificate, so that memory must have a bound. One address gets a part of it, so that it cannot lock others out.
class ReviewBudget {
 public:
  static constexpr size_t kMostOfOne = 8u << 20;  // two copies of the largest object the API takes, and room
  static constexpr size_t kMostOfAddress = 24u << 20;
  static constexpr size_t kMost = 64u << 20;

  // Room for one review, given back when this goes.
  class Share {
   public:
    Share() = default;
    Share(ReviewBudget& of, std::string address, size_t size) : of_(&of), address_(std::move(address)), size_(size) {}
    Share(Share&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), address_(std::move(other.address_)), size_(other.size_) {}
    Share& operator=(Share&&) = delete;
    ~Share();
    explicit operator bool() const { return of_ != nullptr; }
    size_t size() const { return size_; }

   private:
    ReviewBudget* of_ = nullptr;
    std::string address_;
    size_t size_ = 0;
  };

  // `size` bytes at most are going to be read; without room an empty share.
  Share take(const std::string& address, size_t size);

 private:
  size_t used_ = 0;
  base::StringMap<size_t> by_address_;
};

}  // namespace control
