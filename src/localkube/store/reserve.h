// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace localkube {

// Room on a disk that is held by a file of nothing, to be given up when the
// disk is full and something must be written all the same.
class Reserve {
 public:
  Reserve(std::string path, size_t bytes);

  bool held() const { return held_; }
  void take();  // as far as there is room for all of it
  void release();

 private:
  const std::string path_;
  const size_t bytes_;
  bool held_ = false;
};

}  // namespace localkube
