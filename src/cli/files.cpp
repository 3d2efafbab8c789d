// SPDX-License-Identifier: Apache-2.0
#include "cli/files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/commands.h"

namespace cli {

std::string read_all(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream in(file);
  int why = std::filesystem::is_directory(file) ? EISDIR : in ? 0 : errno;
  if (why != 0)
    give_up({.kind = base::ErrorKind::NotFound, .message = file + " cannot be read: " + std::strerror(why)});
  text << in.rdbuf();
  return text.str();
}

}  // namespace cli
