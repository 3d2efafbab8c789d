// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "samples/tools/tools.h"

namespace samples {

bool CommandLine::has(char letter) const {
  for (const Flag& flag : flags)
    if (flag.letter == letter) return true;
  return false;
}

std::string CommandLine::value(char letter, std::string otherwise) const {
  for (const Flag& flag : flags)
    if (flag.letter == letter) otherwise = flag.value;
  return otherwise;
}

std::optional<CommandLine> command_line(const char* known, const std::vector<std::string>& words) {
  CommandLine out;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.size() < 2 || word[0] != '-') {
      out.rest.push_back(word);
      continue;
    }
    for (size_t at = 1; at < word.size(); ++at) {
      const char* found = word[at] == ':' ? nullptr : std::strchr(known, word[at]);
      if (!found) return std::nullopt;
      if (found[1] != ':') {
        out.flags.push_back({word[at], ""});
        continue;
      }
      std::string value = word.substr(at + 1);
      if (value.empty() && ++i == words.size()) return std::nullopt;
      out.flags.push_back({word[at], value.empty() ? words[i] : value});
      break;
    }
  }
  return out;
}

}  // namespace samples
