// SPDX-License-Identifier: Apache-2.0
#include "samples/access_line.h"

namespace samples {

static std::string escaped(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\')
      out += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
    else
      out += c;
  }
  return out;
}

std::string access_line(const http::RequestHead& request, std::string_view protocol, const std::string& peer,
                        int status, size_t body_bytes, std::time_t when) {
  std::tm local{};
  localtime_r(&when, &local);
  char time[64] = {};
  std::strftime(time, sizeof time, "%d/%b/%Y:%H:%M:%S %z", &local);
  auto header = [&](std::string_view name) {
    auto value = request.headers.get(name);
    return value && !value->empty() ? "\"" + escaped(*value) + "\"" : std::string("\"-\"");
  };
  std::string words = request.method + " " + request.path + " " + std::string(protocol);
  std::string out = peer + " - - [" + time + "] \"" + escaped(words) + "\" " + std::to_string(status) + " " +
                    std::to_string(body_bytes);
  for (const char* name : {"referer", "user-agent", "x-forwarded-for"}) out += " " + header(name);
  return out;
}

}  // namespace samples
