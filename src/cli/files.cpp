// SPDX-License-Identifier: Apache-2.0
#include "cli/files.h"

#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "cli/commands.h"

namespace cli {

base::Result<std::string> read_open(int fd, const std::string& name) {
  std::string text;
  char block[64 * 1024];
  for (;;) {
    ssize_t count = read(fd, block, sizeof block);
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(base::system_error("cannot read " + name, errno));
    text.append(block, static_cast<size_t>(count));
    if (text.size() > kMostManifest)
      return base::fail(base::ErrorKind::Exhausted,
                        "cannot read " + name + ": it has more than " + std::to_string(kMostManifest) + " bytes");
  }
}

std::string read_all(const std::string& file) {
  if (file == "-") return must(read_open(STDIN_FILENO, "standard input"));
  return must(base::read_file(file, kMostManifest, base::Pipes::Wait));
}

}  // namespace cli
