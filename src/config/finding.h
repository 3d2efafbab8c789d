// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "objects/object.h"

namespace config {

enum class Severity { Error, Warning, Info };

// A problem as its user sees it, wherever: admission, analyze, status, console.
struct Finding {
  Severity severity = Severity::Error;
  std::string code;  // "SN0107"
  objects::Ref object;
  std::string path;  // "spec.http[0].route[1].destination.subset"
  std::string message;
  std::string hint;  // what could be written instead; may be empty
};

// error[SN0107, IST0106] VirtualService default/reviews, spec.http[0]...
//   message
//   hint
std::string text(const Finding& finding);

}  // namespace config
