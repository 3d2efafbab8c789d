// SPDX-License-Identifier: Apache-2.0
#include "proxy/route/mutation.h"

namespace proxy {

void HeaderMutation::apply(http::Headers& headers, const telemetry::Record& record) const {
  for (const std::string& name : remove) headers.remove(name);
  std::string rendered;
  for (const Write& entry : write) {
    std::string_view value = entry.constant;
    if (!entry.value.empty()) {
      rendered.clear();
      entry.value.append(record, rendered, telemetry::Format::Missing::Nothing);
      value = rendered;
    }
    if (value.empty() && !entry.keep_empty) continue;
    switch (entry.how) {
      case How::Append:
        headers.add(entry.name, value);
        break;
      case How::AddIfAbsent:
        if (!headers.contains(entry.name)) headers.add(entry.name, value);
        break;
      case How::Overwrite:
        headers.set(entry.name, value);
        break;
      case How::OverwriteIfPresent:
        if (headers.contains(entry.name)) headers.set(entry.name, value);
        break;
    }
  }
}

}  // namespace proxy
