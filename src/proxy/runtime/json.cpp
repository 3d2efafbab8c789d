// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/json.h"

#include <google/protobuf/util/json_util.h>

#include "base/json.h"

namespace proxy {

base::Result<void> read_message(const std::string& text, google::protobuf::Message& out, UnknownFields unknown) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = unknown == UnknownFields::Ignore;
  // What a program wrote is JSON, and may be large. What is not quite JSON may still be YAML, which also says where it
  // is wrong.
  if (text.starts_with('{') && google::protobuf::util::JsonStringToMessage(text, &out, options).ok()) return {};
  out.Clear();
  auto documents = TRY(base::parse_yaml(text));  // JSON is YAML
  if (documents.size() != 1)
    return base::fail(base::ErrorKind::Invalid, "one document is wanted, not " + std::to_string(documents.size()));
  auto read = google::protobuf::util::JsonStringToMessage(documents[0].dump(), &out, options);
  if (!read.ok()) return base::fail(base::ErrorKind::Invalid, std::string(read.message()));
  return {};
}

}  // namespace proxy
