// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "base/error.h"

namespace proxy {

// What to do about a field of a document that its message does not have.
enum class UnknownFields { Refuse, Ignore };

// One YAML or JSON document as a message, in protobuf's JSON form. NotFound: a field that the message does not have.
base::Result<void> read_message(const std::string& text, google::protobuf::Message& out, UnknownFields unknown);

template <typename Message>
base::Result<Message> message_of(const std::string& text, UnknownFields unknown = UnknownFields::Refuse) {
  Message out;
  TRY(read_message(text, out, unknown));
  return out;
}

}  // namespace proxy
