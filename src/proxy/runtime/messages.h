// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string_view>

// Messages of whatever type, by their descriptors.
namespace proxy {

inline constexpr int kDeepestMessage = 64;  // messages in messages that are looked at

const google::protobuf::Descriptor* type_named(std::string_view url);  // nullptr: not known here

// nullptr: of a type that is not known here, or no such message.
std::unique_ptr<google::protobuf::Message> content_of(const google::protobuf::Any& any);

// Calls `seen` for the message and each one in it, inside of Anys whose types are known here too.
void each_message(const google::protobuf::Message& message,
                  const std::function<void(const google::protobuf::Message&)>& seen);

}  // namespace proxy
