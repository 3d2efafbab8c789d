// SPDX-License-Identifier: Apache-2.0
#include "config/finding.h"

namespace config {

std::string text(const Finding& finding) {
  const char* word = finding.severity == Severity::Error     ? "error"
                     : finding.severity == Severity::Warning ? "warning"
                                                             : "info";
  std::string out = word;
  if (!finding.code.empty()) out += "[" + finding.code + "]";
  out += " " + finding.object.text();
  if (!finding.path.empty()) out += ", " + finding.path;
  out += "\n  " + finding.message;
  if (!finding.hint.empty()) out += "\n  " + finding.hint;
  return out;
}

}  // namespace config
