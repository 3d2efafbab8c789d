// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace base {

static ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return ErrorKind::NotFound;
    case EACCES:
    case EPERM:
      return ErrorKind::Denied;
    case EEXIST:
      return ErrorKind::Conflict;
    case ETIMEDOUT:
      return ErrorKind::Timeout;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return ErrorKind::Unavailable;
    case ECONNRESET:
    case EPIPE:
      return ErrorKind::Closed;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
      return ErrorKind::Exhausted;
    default:
      return ErrorKind::Internal;
  }
}

Error system_error(std::string_view what, int error_number) {
  char text[128];
  return {.kind = kind_of(error_number),
          .message = std::string(what) + ": " + strerror_r(error_number, text, sizeof text)};
}

std::string_view name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid:
      return "invalid";
    case ErrorKind::NotFound:
      return "not found";
    case ErrorKind::Conflict:
      return "conflict";
    case ErrorKind::Denied:
      return "denied";
    case ErrorKind::Unavailable:
      return "unavailable";
    case ErrorKind::Timeout:
      return "timeout";
    case ErrorKind::Closed:
      return "closed";
    case ErrorKind::Exhausted:
      return "exhausted";
    case ErrorKind::Internal:
      return "internal";
  }
  return "internal";
}

}  // namespace base
