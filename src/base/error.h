// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace base {

// What went wrong, for the code that must decide what to do about it.
enum class ErrorKind {
  Invalid,      // the input breaks a rule; trying again cannot help
  NotFound,     // it does not exist
  Conflict,     // it changed, or exists already
  Denied,       // not allowed
  Unavailable,  // a peer is away or refused; trying again may help
  Timeout,      // it took too long
  Closed,       // the peer or this side ended the connection
  Exhausted,    // a limit was reached
  Internal,     // a bug or a broken machine
};

enum class Side { Internal, Downstream, Upstream };

// A failure as a value. `message` is a sentence for a person: it names the
// thing, the value and, where it can, the remedy.
struct Error {
  ErrorKind kind = ErrorKind::Internal;
  std::string message;
  Side side = Side::Internal;
  bool retryable = false;
};

template <typename T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{.kind = kind, .message = std::move(message)});
}

// The error of the operating system's last call: "open /x: No such file or directory".
Error system_error(std::string_view what, int error_number);

std::string_view name(ErrorKind kind);

}  // namespace base

// The value of a Result, or return its error from this function. Not around
// co_await: GCC 12 cannot compile that; await into a variable first.
#define TRY(expression)                                                       \
  ({                                                                          \
    auto try_result_ = (expression);                                          \
    if (!try_result_) return std::unexpected(std::move(try_result_.error())); \
    base::take_value(std::move(try_result_));                                 \
  })

// The same inside a coroutine, on a Result that is already there.
#define CO_TRY(expression)                                                       \
  ({                                                                             \
    auto try_result_ = (expression);                                             \
    if (!try_result_) co_return std::unexpected(std::move(try_result_.error())); \
    base::take_value(std::move(try_result_));                                    \
  })

namespace base {
template <typename T, typename E>
T take_value(std::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace base
