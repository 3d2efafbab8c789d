// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <algorithm>

#include "base/log.h"

namespace cli {

// Terminal cells, not bytes: continuation bytes of UTF-8 take no room.
static size_t width(const std::string& cell) {
  return static_cast<size_t>(std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string for_terminal(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of("\n\t\\", at), text.size());
    out += base::printable(text.substr(at, end - at), end - at);
    if (end < text.size()) out += text[end];
    at = end + 1;
  }
  return out;
}

std::string table(std::vector<std::vector<std::string>> rows, size_t gap) {
  std::vector<size_t> widths;
  for (auto& row : rows)
    for (std::string& cell : row) cell = for_terminal(cell);
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + gap, ' ');
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace cli
