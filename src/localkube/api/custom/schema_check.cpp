// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/custom/schema_check.h"

#include <re2/re2.h>

#include <array>

#include "localkube/api/custom/schema.h"
#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

// Where a schema stands: the document's own, inside it, or under allOf, anyOf,
// oneOf or not, where it only adds conditions.
enum class Place { Root, Inside, Condition };

void check(const Json& schema, const std::string& path, Place place, Problems& problems);

bool is_count(const Json& value) { return value.is_number_integer(); }
bool is_text(const Json& value) { return value.is_string(); }
bool is_number(const Json& value) { return value.is_number(); }
bool is_flag(const Json& value) { return value.is_boolean(); }
bool is_object(const Json& value) { return value.is_object(); }
bool is_list(const Json& value) { return value.is_array(); }
bool is_schema_or_flag(const Json& value) { return value.is_object() || value.is_boolean(); }
bool is_list_of_texts(const Json& value) {
  if (!value.is_array()) return false;
  for (const Json& one : value)
    if (!one.is_string()) return false;
  return true;
}

struct Member {
  const char* name;
  bool (*fits)(const Json&);
  const char* type;
};
constexpr auto kMembers = std::to_array<Member>({
    {"type", is_text, "string"},
    {"format", is_text, "string"},
    {"title", is_text, "string"},
    {"description", is_text, "string"},
    {"pattern", is_text, "string"},
    {"maximum", is_number, "number"},
    {"minimum", is_number, "number"},
    {"multipleOf", is_number, "number"},
    {"exclusiveMaximum", is_flag, "boolean"},
    {"exclusiveMinimum", is_flag, "boolean"},
    {"uniqueItems", is_flag, "boolean"},
    {"nullable", is_flag, "boolean"},
    {"maxLength", is_count, "integer"},
    {"minLength", is_count, "integer"},
    {"maxItems", is_count, "integer"},
    {"minItems", is_count, "integer"},
    {"maxProperties", is_count, "integer"},
    {"minProperties", is_count, "integer"},
    {"enum", is_list, "array"},
    {"required", is_list_of_texts, "array of strings"},
    {"items", is_object, "object"},
    {"properties", is_object, "object"},
    {"additionalProperties", is_schema_or_flag, "object or boolean"},
    {"allOf", is_list, "array"},
    {"anyOf", is_list, "array"},
    {"oneOf", is_list, "array"},
    {"not", is_object, "object"},
    {"x-kubernetes-preserve-unknown-fields", is_flag, "boolean"},
    {"x-kubernetes-embedded-resource", is_flag, "boolean"},
    {"x-kubernetes-int-or-string", is_flag, "boolean"},
    {"x-kubernetes-list-type", is_text, "string"},
    {"x-kubernetes-list-map-keys", is_list_of_texts, "array of strings"},
    {"x-kubernetes-map-type", is_text, "string"},
    {"x-kubernetes-validations", is_list, "array"},
});
constexpr std::array kNeverNegative = {"maxLength", "minLength",     "maxItems",
                                       "minItems",  "maxProperties", "minProperties"};
constexpr std::array kUnknownToStructures = {"$ref", "definitions", "patternProperties", "additionalItems",
                                             "dependencies"};
constexpr std::array kNotInConditions = {"default",
                                         "nullable",
                                         "title",
                                         "description",
                                         "x-kubernetes-preserve-unknown-fields",
                                         "x-kubernetes-embedded-resource",
                                         "x-kubernetes-int-or-string",
                                         "x-kubernetes-list-type",
                                         "x-kubernetes-list-map-keys",
                                         "x-kubernetes-map-type"};

// A member that is there: null counts as absent, as in Go.
const Json* member(const Json& schema, const char* name) {
  const Json* found = base::find(schema, name);
  return found && !found->is_null() ? found : nullptr;
}

std::string kind_of(const Json& value) {
  return value.is_number_integer() ? "integer" : value.is_null() ? "null" : value.type_name();
}

// False where a member is of the wrong type: then nothing else can be said.
bool check_types(const Json& schema, const std::string& path, Problems& problems) {
  if (!schema.is_object()) {
    problems.type_invalid(path, in_quotes(kind_of(schema)), "must be of type object: " + in_quotes(kind_of(schema)));
    return false;
  }
  bool right = true;
  for (const Member& known : kMembers) {
    const Json* value = member(schema, known.name);
    if (!value || known.fits(*value)) continue;
    problems.type_invalid(path + "." + known.name, in_quotes(kind_of(*value)),
                          std::string("must be of type ") + known.type + ": " + in_quotes(kind_of(*value)));
    right = false;
  }
  return right;
}

void check_values(const Json& schema, const std::string& path, Problems& problems) {
  for (const char* name : kNeverNegative)
    if (const Json* value = member(schema, name); value && value->is_number_integer() && value->get<int64_t>() < 0)
      problems.invalid(path + "." + name, value->dump(), "must be greater than or equal to 0");
  for (const char* name : kUnknownToStructures)
    if (member(schema, name)) problems.forbidden(path + "." + name, std::string(name) + " is not supported");
  if (truth(schema, "uniqueItems"))
    problems.forbidden(path + ".uniqueItems",
                       "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
  if (std::string pattern = string_at(schema, "pattern"); !pattern.empty()) {
    RE2 compiled(pattern, RE2::Quiet);
    if (!compiled.ok())
      problems.invalid(
          path + ".pattern", in_quotes(pattern.substr(0, 256)),
          "must be a valid regular expression, but isn't: error parsing regexp: " + compiled.error().substr(0, 256));
  }
  if (std::string type = string_at(schema, "type"); !type.empty() && type != "array" && type != "boolean" &&
                                                    type != "integer" && type != "number" && type != "object" &&
                                                    type != "string")
    problems.not_supported(path + ".type", in_quotes(type),
                           {"array", "boolean", "integer", "number", "object", "string"});
}

// The marks of lists and maps, and what may be left open.
void check_marks(const Json& schema, const std::string& path, Problems& problems) {
  std::string type = string_at(schema, "type"), list = string_at(schema, "x-kubernetes-list-type");
  const Json* open = member(schema, "x-kubernetes-preserve-unknown-fields");
  if (open && *open == false)
    problems.invalid(path + ".x-kubernetes-preserve-unknown-fields", "false", "must be true or undefined");
  if (!list.empty() && list != "atomic" && list != "set" && list != "map")
    problems.not_supported(path + ".x-kubernetes-list-type", in_quotes(list), {"atomic", "set", "map"});
  if (!list.empty() && type != "array")
    problems.invalid(path + ".type", in_quotes(type), "must be array if x-kubernetes-list-type is specified");
  if (list == "map" && items(schema, "x-kubernetes-list-map-keys").empty())
    problems.required(path + ".x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map");
  std::string map = string_at(schema, "x-kubernetes-map-type");
  if (!map.empty() && map != "atomic" && map != "granular")
    problems.not_supported(path + ".x-kubernetes-map-type", in_quotes(map), {"atomic", "granular"});
  const Json* other = member(schema, "additionalProperties");
  if (other && *other == false)
    problems.forbidden(path + ".additionalProperties", "additionalProperties cannot be set to false");
  const Json* properties = member(schema, "properties");
  if (other && properties && !properties->empty())
    problems.forbidden(path + ".additionalProperties", "additionalProperties and properties are mutual exclusive");
}

void check_structure(const Json& schema, const std::string& path, Place place, Problems& problems) {
  std::string type = string_at(schema, "type");
  bool either = truth(schema, "x-kubernetes-int-or-string");
  if (place == Place::Condition) {
    if (!type.empty() && type != "integer" && type != "string")  // those of int-or-string
      problems.forbidden(path + ".type", "must be empty to be structural");
    for (const char* name : kNotInConditions)
      if (member(schema, name)) problems.forbidden(path + "." + name, "must be empty to be structural");
    return;
  }
  if (place == Place::Root && type != "object")
    problems.invalid(path + ".type", in_quotes(type), "must be object at the root");
  else if (type.empty() && !either && !truth(schema, "x-kubernetes-preserve-unknown-fields"))
    problems.required(path + ".type", "must not be empty for specified object fields");
  if (either && !type.empty())
    problems.invalid(path + ".type", in_quotes(type), "must be empty if x-kubernetes-int-or-string is true");
  if (type == "array" && !member(schema, "items")) problems.required(path + ".items", "must be specified");
  check_marks(schema, path, problems);
}

// A default has to be what its own schema takes, and to keep all of its fields.
void check_default(const Json& schema, const std::string& path, Problems& problems) {
  const Json* preset = member(schema, "default");
  if (!preset) return;
  Json value = *preset;
  std::vector<std::string> unknown;
  prune(value, schema, "", unknown);
  if (!unknown.empty())
    problems.invalid(path + ".default", preset->dump(), "must not have unknown fields: " + unknown.front());
  fill_defaults(value, schema);
  validate_value(value, schema, path + ".default", problems);
}

void check(const Json& schema, const std::string& path, Place place, Problems& problems) {
  const size_t before = problems.causes().size();
  if (!check_types(schema, path, problems)) return;
  check_values(schema, path, problems);
  check_structure(schema, path, place, problems);
  Place inside = place == Place::Condition ? Place::Condition : Place::Inside;
  if (const Json* properties = member(schema, "properties"))
    for (const auto& [name, property] : properties->items())
      check(property, path + ".properties[" + name + "]", inside, problems);
  if (const Json* item = member(schema, "items")) check(*item, path + ".items", inside, problems);
  if (const Json* other = member(schema, "additionalProperties"); other && other->is_object())
    check(*other, path + ".additionalProperties", inside, problems);
  for (const char* name : {"allOf", "anyOf", "oneOf"}) {
    const Json& choices = items(schema, name);
    for (size_t i = 0; i < choices.size(); ++i)
      check(choices[i], path + "." + name + "[" + std::to_string(i) + "]", Place::Condition, problems);
  }
  if (const Json* no = member(schema, "not")) check(*no, path + ".not", Place::Condition, problems);
  if (problems.causes().size() == before && place != Place::Condition) check_default(schema, path, problems);
}

}  // namespace

void check_schema(const Json& schema, const std::string& path, Problems& problems) {
  check(schema, path, Place::Root, problems);
}

}  // namespace localkube
