// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace base {

// How many bytes at the beginning of the text are well-formed UTF-8 (RFC 3629, 4: no surrogates, nothing overlong).
size_t utf8_prefix(std::string_view text);
// The text with "!" for each byte that is no part of a well-formed sequence, as Envoy has it: strings of protobuf
// messages must be UTF-8, while header fields and bodies are whatever a peer sent.
std::string to_utf8(std::string_view text);

}  // namespace base
