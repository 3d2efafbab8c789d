// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/loop.h"

namespace proxy {

// Tells when something is moved into a directory, or a file in it was written
// and closed: how configuration and secrets in files are replaced. One loop.
class FileWatch final : private net::IoHandler {
 public:
  explicit FileWatch(net::Loop& loop);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;

  // Calls back once for what happens in a turn of the loop. The same directory may be watched by several.
  base::Result<void> watch(const std::string& directory, std::function<void()> changed);

 private:
  void on_io(uint32_t) override;

  net::Loop& loop_;
  int fd_ = -1;
  std::map<int, std::vector<std::function<void()>>> watchers_;  // by inotify's number
};

}  // namespace proxy
