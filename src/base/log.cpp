// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/ansicolor_sink.h>

#include "base/strings.h"

namespace base {

void start_log(std::string_view program, std::string_view level) {
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(std::string(program), std::move(sink));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ\t%l\t%n\t%v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  if (auto set = set_log_level(level); !set) log::warn("{}", set.error().message);
}

Result<void> set_log_level(std::string_view level) {
  auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off")
    return fail(ErrorKind::Invalid, "log level \"" + printable(level) +
                                        "\" is unknown: use trace, debug, info, warning, error, critical or off");
  spdlog::set_level(parsed);
  return {};
}

std::string printable(std::string_view text, size_t most) {
  std::string out;
  for (std::string_view left = text.substr(0, most); !left.empty();) {
    const auto c = static_cast<unsigned char>(left[0]);
    const size_t size = utf8_character(left);
    // The control characters above 0x7f too, which terminals obey.
    const bool control = c < 0x20 || c == 0x7f || (c == 0xc2 && static_cast<unsigned char>(left[size ? 1 : 0]) < 0xa0);
    if (size && !control && c != '\\') {
      out += left.substr(0, size);
      left.remove_prefix(size);
    } else {
      out += fmt::format("\\x{:02x}", c);
      left.remove_prefix(1);
    }
  }
  if (text.size() > most) out += "...";
  return out;
}

}  // namespace base
