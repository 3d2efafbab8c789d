// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include "base/json.h"

namespace proxy {
namespace {

// Where `key` stands in a document: "static_resources.listeners[0].address".
void find_places(const base::Json& at, std::string_view key, const std::string& path, std::vector<std::string>& out) {
  if (at.is_array())
    for (size_t i = 0; i < at.size(); ++i) find_places(at[i], key, path + "[" + std::to_string(i) + "]", out);
  if (!at.is_object()) return;
  for (const auto& [name, value] : at.items()) {
    if (name == key) out.push_back(path);
    find_places(value, key, path.empty() ? name : path + "." + name, out);
  }
}

// protobuf says "FIELD: Cannot find field.", with a path that begins anew at each typed_config.
std::string with_place(const std::string& message, const base::Json& document) {
  const std::string_view tail = ": Cannot find field.";
  if (!message.ends_with(tail)) return message;
  std::string field = message.substr(0, message.size() - tail.size());
  if (size_t paren = field.rfind(") "); paren != std::string::npos) field.erase(0, paren + 2);
  std::vector<std::string> places;
  find_places(document, field, "", places);
  std::string where = places.size() == 1 ? places.front() : message.substr(0, message.size() - tail.size());
  if (places.size() == 1) where += (where.empty() ? "" : ".") + field;
  return where + ": no such field here, by its spelling or in this version";
}

// A message of a type that is not known here cannot be read, but what holds it can: it becomes a TypedStruct of that
// type, which is skipped where it is optional, and else refused by those who know its place and its name.
void wrap_unknown(base::Json& at) {
  if (at.is_array())
    for (base::Json& item : at) wrap_unknown(item);
  if (!at.is_object()) return;
  auto type = at.find("@type");
  if (type != at.end() && type->is_string()) {
    const std::string url = *type;
    const std::string name = url.substr(url.rfind('/') + 1);
    if (!google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name)) {
      at.erase("@type");
      base::Json wrapped = {{"@type", "type.googleapis.com/xds.type.v3.TypedStruct"}, {"type_url", url}};
      wrapped["value"] = std::move(at);
      at = std::move(wrapped);
      return;
    }
  }
  for (auto& [key, value] : at.items()) wrap_unknown(value);
}

}  // namespace

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
  wrap_unknown(documents[0]);
  auto read = google::protobuf::util::JsonStringToMessage(documents[0].dump(), &out, options);
  if (!read.ok()) return base::fail(base::ErrorKind::Invalid, with_place(std::string(read.message()), documents[0]));
  return {};
}

}  // namespace proxy
