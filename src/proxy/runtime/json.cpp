// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include "base/json.h"
#include "base/strings.h"

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

// Where a path such as "route.timeout" leads to something, from the document or from one of its typed_configs.
void find_paths(const base::Json& at, const std::vector<std::string>& steps, const std::string& path,
                std::vector<std::pair<std::string, const base::Json*>>& out) {
  if (at.is_object() && (path.empty() || at.contains("@type"))) {
    const base::Json* end = &at;
    for (const std::string& step : steps) {
      const auto index = base::parse_number<size_t>(step);
      if (end->is_array() && index && *index < end->size())
        end = &(*end)[*index];
      else if (end->is_object() && end->contains(step))
        end = &(*end)[step];
      else
        end = nullptr;
      if (!end) break;
    }
    if (end) out.emplace_back(path, end);
  }
  if (at.is_array())
    for (size_t i = 0; i < at.size(); ++i) find_paths(at[i], steps, path + "[" + std::to_string(i) + "]", out);
  if (at.is_object())
    for (const auto& [name, value] : at.items()) find_paths(value, steps, path.empty() ? name : path + "." + name, out);
}

// "(PATH): what", as protobuf says it of a value; the path begins anew at each typed_config.
std::string value_refused(const std::string& message, const base::Json& document) {
  const bool begins = message.starts_with(": ");  // no path: a field of the document, or of a typed_config
  const size_t end = message.find("): ");
  if (!begins && (!message.starts_with('(') || end == std::string::npos)) return message;
  std::string path = begins ? "" : message.substr(1, end - 1);
  std::string what = message.substr(begins ? 2 : end + 3);
  if (path.empty()) {
    const size_t quote = what.find("Cannot set '");
    std::vector<std::string> places;
    if (quote != std::string::npos)
      find_places(document, std::string_view(what).substr(quote + 12, what.find('\'', quote + 12) - quote - 12), "",
                  places);
    return places.size() == 1 && !places[0].empty() ? places[0] + ": " + what : what;
  }
  std::vector<std::string> steps;
  for (std::string_view part : base::split(path, '.')) {
    const size_t bracket = std::min(part.find('['), part.size());
    steps.emplace_back(part.substr(0, bracket));
    for (std::string_view index : base::split(part.substr(bracket), '['))
      if (index.ends_with(']')) steps.emplace_back(index.substr(0, index.size() - 1));
  }
  std::vector<std::pair<std::string, const base::Json*>> places;
  find_paths(document, steps, "", places);
  if (places.size() == 1 && !places[0].first.empty()) path = places[0].first + "." + path;
  if (what.ends_with("google.protobuf.Duration"))
    what = (places.empty() ? "this" : places[0].second->dump()) + " is no duration, such as \"1.5s\"";
  return path + ": " + what;
}

constexpr std::string_view kUnknown = ": Cannot find field.";

// protobuf says "FIELD: Cannot find field.", with a path that begins anew at each typed_config.
std::string with_place(const std::string& message, const base::Json& document) {
  if (!document.is_object()) return "the document has no fields: it is no mapping";
  if (!message.ends_with(kUnknown)) return value_refused(message, document);
  std::string field = message.substr(0, message.size() - kUnknown.size());
  if (size_t paren = field.rfind(") "); paren != std::string::npos) field.erase(0, paren + 2);
  std::vector<std::string> places;
  find_places(document, field, "", places);
  std::string where = places.size() == 1 ? places.front() : message.substr(0, message.size() - kUnknown.size());
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
  auto yaml = base::parse_yaml(text);  // JSON is YAML
  if (!yaml && text.starts_with('{')) TRY(base::parse_json(text));
  if (!yaml) return std::unexpected(std::move(yaml.error()));
  std::vector<base::Json>& documents = *yaml;
  if (documents.size() != 1)
    return base::fail(base::ErrorKind::Invalid, "one document is wanted, not " + std::to_string(documents.size()));
  wrap_unknown(documents[0]);
  auto read = google::protobuf::util::JsonStringToMessage(documents[0].dump(), &out, options);
  if (read.ok()) return {};
  const std::string message(read.message());
  return base::fail(message.ends_with(kUnknown) ? base::ErrorKind::NotFound : base::ErrorKind::Invalid,
                    with_place(message, documents[0]));
}

}  // namespace proxy
