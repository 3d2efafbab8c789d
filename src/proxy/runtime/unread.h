// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <span>
#include <string_view>

#include "base/error.h"

// What Envoy's schemas know and nothing here reads: no setting is dropped in silence.
namespace proxy {

class Slots;

// The fields of one message that have no effect here, by their names in the schema, in one text.
// "!name": refused, for to go on without it would let through, route or encrypt otherwise than was asked.
// "name": said once in the log, for it is routinely sent, or costs no more than comfort.
// "-name": right to leave aside: what it asks for holds anyway, or has no meaning here.
// "name=7" of any kind: that the schemas here leave out, by its number in Envoy's.
// `message` is a message's full name, or that of a field, where its message is read in other places alone.
struct UnreadFields {
  std::string_view message;
  std::string_view fields;
};

std::span<const UnreadFields> unread_fields();  // in order of those names

// What a field's value may be, as Envoy's schemas say: a text's length, a number, a duration in seconds.
struct Limit {
  std::string_view message, field;
  double least = 0, most = 4294967295.0;
  bool always = false;    // where it is not set either
  bool required = false;  // it, or one of the oneof of that name, is set
};

std::span<const Limit> limits();  // in order of the messages' names

// Looks through a resource and all that stands in it, Anys included. An error names what cannot be left aside, and
// what is past its limits; the rest is logged, each name once for `slots`.
base::Result<void> check_unread(const google::protobuf::Message& resource, Slots& slots);

}  // namespace proxy
