// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "http/message.h"
#include "telemetry/format.h"

namespace proxy {

// Headers to remove and to write, in that order, as one level of a route says.
struct HeaderMutation {
  enum class How : uint8_t { Append, AddIfAbsent, Overwrite, OverwriteIfPresent };
  struct Write {
    std::string name;  // lower case
    telemetry::Format value;
    std::string constant;  // the value where it has no operator
    How how = How::Append;
    bool keep_empty = false;
  };
  std::vector<std::string> remove;
  std::vector<Write> write;
  bool formatted = false;  // some value has an operator

  bool empty() const { return remove.empty() && write.empty(); }
  void apply(http::Headers& headers, const telemetry::Record& record) const;
};

}  // namespace proxy
