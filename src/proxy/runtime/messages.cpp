// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/messages.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <string>
#include <vector>

namespace proxy {

const google::protobuf::Descriptor* type_named(std::string_view url) {
  url.remove_prefix(std::min(url.rfind('/') + 1, url.size()));
  return google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(url));
}

// nullptr: of a type that is not known here, or no such message.
std::unique_ptr<google::protobuf::Message> content_of(const google::protobuf::Any& any) {
  const google::protobuf::Descriptor* type = type_named(any.type_url());
  const google::protobuf::Message* prototype =
      type ? google::protobuf::MessageFactory::generated_factory()->GetPrototype(type) : nullptr;
  if (!prototype) return nullptr;
  std::unique_ptr<google::protobuf::Message> out(prototype->New());
  return out->ParseFromString(any.value()) ? std::move(out) : nullptr;
}

static void look(const google::protobuf::Message& message,
                 const std::function<void(const google::protobuf::Message&)>& seen, int depth) {
  if (depth > kDeepestMessage) return;
  seen(message);
  if (message.GetDescriptor()->full_name() == "google.protobuf.Any") {
    google::protobuf::Any any;
    any.CopyFrom(message);
    if (auto content = content_of(any)) look(*content, seen, depth + 1);
    return;
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      look(message.GetReflection()->GetMessage(message, field), seen, depth + 1);
      continue;
    }
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i)
      look(message.GetReflection()->GetRepeatedMessage(message, field, i), seen, depth + 1);
  }
}

void each_message(const google::protobuf::Message& message,
                  const std::function<void(const google::protobuf::Message&)>& seen) {
  look(message, seen, 0);
}

}  // namespace proxy
