// SPDX-License-Identifier: Apache-2.0
#include "config/finding.h"

#include <algorithm>
#include <array>
#include <utility>

namespace config {

// The code under which istioctl's users know a finding; empty: theirs has none.
static std::string_view istio_code(const Finding& finding) {
  const std::string_view code = finding.code;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kCodes = {{
      {"SN0201", "IST0109"},
      {"SN0202", "IST0101"},
      {"SN0203", "IST0101"},
      {"SN0205", "IST0112"},
      {"SN0210", "IST0101"},
      {"SN0211", "IST0132"},
      {"SN0212", "IST0101"},
      {"SN0213", "IST0162"},
      {"SN0214", "IST0101"},
      {"SN0220", "IST0101"},
      {"SN0240", "IST0102"},
  }};
  auto known = std::ranges::find(kCodes, code, &std::pair<std::string_view, std::string_view>::first);
  if (known != kCodes.end()) return known->second;
  return code.starts_with("SN01") && finding.severity == Severity::Error ? "IST0106" : "";  // schema validation
}

std::string text(const Finding& finding) {
  const char* word = finding.severity == Severity::Error     ? "error"
                     : finding.severity == Severity::Warning ? "warning"
                                                             : "info";
  std::string out = word;
  if (!finding.code.empty()) {
    const std::string_view known_as = istio_code(finding);
    out += "[" + finding.code + (known_as.empty() ? "" : ", " + std::string(known_as)) + "]";
  }
  out += " " + finding.object.text();
  if (!finding.path.empty()) out += ", " + finding.path;
  out += "\n  " + finding.message;
  if (!finding.hint.empty()) out += "\n  " + finding.hint;
  return out;
}

}  // namespace config
