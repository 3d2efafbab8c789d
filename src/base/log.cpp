// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/sinks/ansicolor_sink.h>

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
  for (unsigned char c : text.substr(0, most)) {
    if (c >= 0x20 && c != 0x7f && c != '\\') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("\\x{:02x}", c);
    }
  }
  if (text.size() > most) out += "...";
  return out;
}

}  // namespace base
