// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace proxy {

// The regular expression (RE2, for the whole path) of one of Envoy's URI
// templates: "*" stands for one segment, a last "**" for all that is left,
// "{name}" and "{name=a/*}" for what may be named. Each variable is a group.
base::Result<std::string> regex_of_template(std::string_view text);

}  // namespace proxy
