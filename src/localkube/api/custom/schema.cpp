// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/custom/schema.h"

#include <re2/re2.h>

#include <set>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

bool preserves(const Json& schema) { return truth(schema, "x-kubernetes-preserve-unknown-fields"); }

const Json* items_schema(const Json& schema) {
  const Json* found = base::find(schema, "items");
  return found && found->is_object() ? found : nullptr;
}

const Json* additional(const Json& schema) {
  const Json* found = base::find(schema, "additionalProperties");
  return found && found->is_object() ? found : nullptr;
}

std::string joined(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

std::string type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "object";
    case Json::value_t::array:
      return "array";
    case Json::value_t::string:
      return "string";
    case Json::value_t::boolean:
      return "boolean";
    case Json::value_t::number_float:
      return "number";
    default:
      return "integer";
  }
}

bool fits_type(const Json& value, std::string_view wanted) {
  std::string type = type_of(value);
  if (type == wanted || (wanted == "number" && type == "integer")) return true;
  if (wanted == "integer" && type == "number") {
    double number = value.get<double>();
    return number == static_cast<double>(static_cast<int64_t>(number));
  }
  return false;
}

// Go's time.ParseDuration.
bool is_duration(std::string_view text) {
  static const RE2 pattern("[-+]?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|ms|s|m|h))+)");
  return RE2::FullMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

bool fits_format(std::string_view text, std::string_view format) {
  if (format == "duration") return is_duration(text);
  if (format == "date-time") return parse_time(text).has_value();
  if (format == "byte") return base::from_base64(text).has_value();
  return true;  // other formats are notes for readers
}

size_t characters(std::string_view text) {
  size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

// A bound of sizes; none where it is absent.
std::optional<int64_t> bound(const Json& schema, const char* name) {
  const Json* found = base::find(schema, name);
  return found && found->is_number_integer() ? std::optional(found->get<int64_t>()) : std::nullopt;
}
bool above(size_t size, std::optional<int64_t> most) { return most && static_cast<int64_t>(size) > *most; }
bool below(size_t size, std::optional<int64_t> least) { return least && static_cast<int64_t>(size) < *least; }

std::string number_text(const Json& value) {
  if (value.is_number_float() && value.get<double>() == static_cast<double>(static_cast<int64_t>(value.get<double>())))
    return std::to_string(static_cast<int64_t>(value.get<double>()));
  return value.dump();
}

void validate_text(const std::string& text, const Json& schema, const std::string& path, Problems& problems) {
  if (auto most = bound(schema, "maxLength"); above(characters(text), most))
    problems.too_long(path, "may not be more than " + std::to_string(*most) + " bytes");
  if (auto least = bound(schema, "minLength"); below(characters(text), least))
    problems.invalid(path, in_quotes(text),
                     path + " in body should be at least " + std::to_string(*least) + " chars long");
  if (std::string pattern = string_at(schema, "pattern"); !pattern.empty()) {
    RE2 compiled(pattern, RE2::Quiet);  // one that does not compile takes nothing
    if (!compiled.ok() || !RE2::PartialMatch(text, compiled))
      problems.invalid(path, in_quotes(text), path + " in body should match '" + pattern + "'");
  }
  if (std::string format = string_at(schema, "format"); !format.empty() && !fits_format(text, format))
    problems.type_invalid(path, in_quotes(text), path + " in body must be of type " + format + ": " + in_quotes(text));
}

void validate_number(const Json& value, const Json& schema, const std::string& path, Problems& problems) {
  double number = value.get<double>();
  if (const Json* most = base::find(schema, "maximum"); most && most->is_number()) {
    bool exclusive = truth(schema, "exclusiveMaximum");
    if (exclusive ? number >= most->get<double>() : number > most->get<double>())
      problems.invalid(path, number_text(value),
                       path + " in body should be less than " + (exclusive ? "" : "or equal to ") + number_text(*most));
  }
  if (const Json* least = base::find(schema, "minimum"); least && least->is_number()) {
    bool exclusive = truth(schema, "exclusiveMinimum");
    if (exclusive ? number <= least->get<double>() : number < least->get<double>())
      problems.invalid(
          path, number_text(value),
          path + " in body should be greater than " + (exclusive ? "" : "or equal to ") + number_text(*least));
  }
  if (const Json* of = base::find(schema, "multipleOf"); of && of->is_number_integer() && value.is_number_integer() &&
                                                         of->get<int64_t>() != 0 &&
                                                         value.get<int64_t>() % of->get<int64_t>() != 0)
    problems.invalid(path, number_text(value), path + " in body should be a multiple of " + of->dump());
}

void validate_list(const Json& value, const Json& schema, const std::string& path, Problems& problems) {
  if (auto most = bound(schema, "maxItems"); above(value.size(), most))
    problems.invalid(path, std::to_string(value.size()),
                     path + " in body should have at most " + std::to_string(*most) + " items");
  if (auto least = bound(schema, "minItems"); below(value.size(), least))
    problems.invalid(path, std::to_string(value.size()),
                     path + " in body should have at least " + std::to_string(*least) + " items");
  std::string list_type = string_at(schema, "x-kubernetes-list-type");
  std::set<std::string> seen;
  for (size_t i = 0; i < value.size(); ++i) {
    std::string here = path + "[" + std::to_string(i) + "]";
    if (list_type == "set" || list_type == "map") {
      Json key = value[i];
      if (list_type == "map") {
        key = Json::object();
        for (const Json& name : items(schema, "x-kubernetes-list-map-keys"))
          key[name.get<std::string>()] =
              value[i].is_object() ? value[i].value(name.get<std::string>(), Json()) : Json();
      }
      if (!seen.insert(key.dump()).second) problems.duplicate(here, Problems::text(key));
    }
    if (const Json* item = items_schema(schema)) validate_value(value[i], *item, here, problems);
  }
}

void validate_object(const Json& value, const Json& schema, const std::string& path, Problems& problems) {
  for (const Json& key : items(schema, "required"))
    if (key.is_string() && !value.contains(key.get_ref<const std::string&>()))
      problems.required(joined(path, key.get<std::string>()));
  if (auto most = bound(schema, "maxProperties"); above(value.size(), most))
    problems.invalid(path, std::to_string(value.size()),
                     path + " in body should have at most " + std::to_string(*most) + " properties");
  if (auto least = bound(schema, "minProperties"); below(value.size(), least))
    problems.invalid(path, std::to_string(value.size()),
                     path + " in body should have at least " + std::to_string(*least) + " properties");
  const Json* properties = base::find(schema, "properties");
  const Json* other = additional(schema);
  for (const auto& [key, item] : value.items()) {
    const Json* known = properties ? base::find(*properties, key) : nullptr;
    if (known)
      validate_value(item, *known, joined(path, key), problems);
    else if (other)
      validate_value(item, *other, joined(path, key), problems);
  }
}

bool holds(const Json& value, const Json& schema, const std::string& path) {
  Problems problems;
  validate_value(value, schema, path, problems);
  return problems.empty();
}

void validate_choices(const Json& value, const Json& schema, const std::string& path, Problems& problems) {
  std::string where = path.empty() ? "<nil>" : path;
  if (const Json& all = items(schema, "allOf"); !all.empty())
    for (const Json& one : all) validate_value(value, one, path, problems);
  if (const Json& any = items(schema, "anyOf"); !any.empty()) {
    bool some = false;
    for (const Json& one : any) some = some || holds(value, one, path);
    if (!some)
      problems.invalid(where, in_quotes(type_of(value)), where + " in body must validate at least one schema (anyOf)");
  }
  if (const Json& choices = items(schema, "oneOf"); !choices.empty()) {
    int fitting = 0;
    for (const Json& one : choices) fitting += holds(value, one, path) ? 1 : 0;
    if (fitting != 1)
      problems.invalid(where, in_quotes(type_of(value)),
                       where + " in body must validate one and only one schema (oneOf). Found " +
                           (fitting == 0 ? "none valid" : std::to_string(fitting) + " valid alternatives"));
  }
  if (const Json* no = base::find(schema, "not"); no && holds(value, *no, path))
    problems.invalid(where, in_quotes(type_of(value)), where + " in body must not validate the schema (not)");
}

}  // namespace

void prune(Json& value, const Json& schema, const std::string& path, std::vector<std::string>& unknown) {
  if (value.is_array()) {
    if (const Json* item = items_schema(schema))
      for (size_t i = 0; i < value.size(); ++i) prune(value[i], *item, path + "[" + std::to_string(i) + "]", unknown);
    return;
  }
  if (!value.is_object()) return;
  const Json* properties = base::find(schema, "properties");
  const Json* other = additional(schema);
  const Json* any = base::find(schema, "additionalProperties");
  bool keep = preserves(schema) || (any && any->is_boolean() && *any == true);
  for (auto it = value.begin(); it != value.end();) {
    const Json* known = properties ? base::find(*properties, it.key()) : nullptr;
    std::string here = joined(path, it.key());
    if (known || other) {
      prune(*it, known ? *known : *other, here, unknown);
      ++it;
    } else if (keep || (truth(schema, "x-kubernetes-embedded-resource") &&
                        (it.key() == "apiVersion" || it.key() == "kind" || it.key() == "metadata"))) {
      ++it;
    } else {
      unknown.push_back(here);
      it = value.erase(it);
    }
  }
}

void fill_defaults(Json& value, const Json& schema) {
  if (value.is_array()) {
    if (const Json* item = items_schema(schema))
      for (Json& one : value) fill_defaults(one, *item);
    return;
  }
  if (!value.is_object()) return;
  const Json* properties = base::find(schema, "properties");
  const Json* other = additional(schema);
  if (properties)
    for (const auto& [key, property] : properties->items()) {
      const Json* preset = base::find(property, "default");
      auto it = value.find(key);
      bool missing = it == value.end() || (it->is_null() && !truth(property, "nullable"));
      if (missing && preset)
        value[key] = *preset;
      else if (missing && it != value.end())
        value.erase(it);
    }
  for (auto& [key, item] : value.items()) {
    const Json* known = properties ? base::find(*properties, key) : nullptr;
    if (known)
      fill_defaults(item, *known);
    else if (other)
      fill_defaults(item, *other);
  }
}

void validate_value(const Json& value, const Json& schema, const std::string& path, Problems& problems) {
  if (value.is_null() && truth(schema, "nullable")) return;
  if (truth(schema, "x-kubernetes-int-or-string")) {
    if (!value.is_string() && !fits_type(value, "integer")) {
      problems.type_invalid(path, in_quotes(type_of(value)),
                            path + " in body must be of type integer,string: " + in_quotes(type_of(value)));
      return;
    }
  } else if (std::string type = string_at(schema, "type"); !type.empty() && !fits_type(value, type)) {
    problems.type_invalid(path, in_quotes(type_of(value)),
                          path + " in body must be of type " + type + ": " + in_quotes(type_of(value)));
    return;
  }
  if (const Json& choices = items(schema, "enum"); !choices.empty()) {
    bool found = false;
    std::vector<std::string> texts;
    for (const Json& choice : choices) {
      found = found || choice == value;
      texts.push_back(choice.is_string() ? choice.get<std::string>() : choice.dump());
    }
    if (!found) problems.not_supported(path, Problems::text(value), texts);
  }
  if (value.is_string()) validate_text(value.get_ref<const std::string&>(), schema, path, problems);
  if (value.is_number()) validate_number(value, schema, path, problems);
  if (value.is_array()) validate_list(value, schema, path, problems);
  if (value.is_object()) validate_object(value, schema, path, problems);
  validate_choices(value, schema, path, problems);
}

}  // namespace localkube
