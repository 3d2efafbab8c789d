// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

namespace proxy {

// Puts "[redacted]" in place of every text that Envoy's schemas mark as sensitive (private keys, passwords, secrets,
// ticket keys), wherever it stands: inside of Anys and of TypedStructs too. What holds no text loses its value.
void redact(google::protobuf::Message& message);

}  // namespace proxy
