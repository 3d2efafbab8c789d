// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/access/access_log.h"
#include "proxy/route/mutation.h"

namespace proxy {

// How a listener changes what the proxy answers by itself (local_reply_config).
struct LocalReply {
  struct Body {
    telemetry::LineFormat format;
    std::string content_type;
  };
  struct Mapper {
    LogFilter filter;
    std::optional<int> status;
    std::optional<std::string> body;
    std::optional<Body> format;  // in place of the general one
    HeaderMutation headers;
  };
  std::vector<Mapper> mappers;  // the first whose filter takes the record counts
  std::optional<Body> format;

  const Mapper* mapper_for(const telemetry::Record& record) const {
    for (const Mapper& mapper : mappers)
      if (mapper.filter.takes(record)) return &mapper;
    return nullptr;
  }
};

// The proxy-status header of such answers (RFC 9209).
struct ProxyStatus {
  std::string name;
  bool details = true, termination_details = true, flags = true;
  bool recommended_status = false;

  // What went wrong, in the RFC's words, and the status that it recommends; empty: nothing did.
  struct Error {
    std::string_view word;
    int status = 0;
  };
  static Error error_of(const telemetry::Record& record);
  std::string value_for(const telemetry::Record& record, std::string_view error) const;
};

}  // namespace proxy
