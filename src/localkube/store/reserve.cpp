// SPDX-License-Identifier: Apache-2.0
#include "localkube/store/reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include "localkube/process/fd.h"

namespace localkube {

Reserve::Reserve(std::string path, size_t bytes) : path_(std::move(path)), bytes_(bytes) { take(); }

void Reserve::take() {
  if (held_) return;
  Fd file(open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  held_ = file && posix_fallocate(file.get(), 0, static_cast<off_t>(bytes_)) == 0;
  if (!held_) unlink(path_.c_str());
}

void Reserve::release() {
  unlink(path_.c_str());
  held_ = false;
}

}  // namespace localkube
