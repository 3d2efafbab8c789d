// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/kinds/kinds.h"

namespace localkube {

namespace {

size_t entries(const Json& object, const char* key) {
  const Json* map = base::find(object, key);
  return map && map->is_object() ? map->size() : 0;
}

void secret_defaults(Json& secret) {
  set_default(secret, "type", "Opaque");
  auto plain = secret.find("stringData");
  if (plain == secret.end()) return;
  if (plain->is_object()) {
    Json& data = secret["data"];
    if (!data.is_object()) data = Json::object();
    for (const auto& [key, value] : secret["stringData"].items())
      if (value.is_string()) data[key] = base::to_base64(value.get_ref<const std::string&>());
  }
  secret.erase("stringData");
}

void immutable_data(const Json& object, const Json& old, Problems& problems) {
  if (!truth(old, "immutable")) return;
  if (!truth(object, "immutable")) problems.forbidden("immutable", "field is immutable when `immutable` is set");
  for (const char* key : {"data", "binaryData"})
    if (object.value(key, Json()) != old.value(key, Json()))
      problems.forbidden(key, "field is immutable when `immutable` is set");
}

void secret_update(const Json& secret, const Json& old, Problems& problems) {
  if (base::text(secret, "type") != base::text(old, "type"))
    problems.invalid("type", in_quotes(base::text(secret, "type")), "field is immutable");
  immutable_data(secret, old, problems);
}

// All values together, as they are written in the document.
void check_size(const Json& object, Problems& problems) {
  constexpr size_t kMost = 1u << 20;
  size_t size = 0;
  for (const char* key : {"data", "binaryData"})
    if (const Json* map = base::find(object, key); map && map->is_object())
      for (const auto& [name, value] : map->items())
        if (value.is_string()) size += value.get_ref<const std::string&>().size();
  if (size > kMost) problems.too_long("", "may not be more than 1048576 bytes");
}

// Keys become names of files in a volume, whose own names begin with "..".
void check_keys(const Json& object, Problems& problems) {
  for (const char* member : {"data", "binaryData"})
    if (const Json* map = base::find(object, member); map && map->is_object())
      for (const auto& [key, value] : map->items()) {
        std::string at = std::string(member) + "[" + key + "]";
        bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                 c == '.';
        });
        if (key.size() > 253)
          problems.invalid(at, in_quotes(key), "must be no more than 253 characters");
        else if (!plain)
          problems.invalid(at, in_quotes(key),
                           "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                           "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                           "'[-._a-zA-Z0-9]+')");
        else if (key == "." || key == "..")
          problems.invalid(at, in_quotes(key), "must not be '" + key + "'");
        else if (key.starts_with(".."))
          problems.invalid(at, in_quotes(key), "must not start with '..'");
      }
}

void validate_config_map(const Json& map, Problems& problems) {
  check_size(map, problems);
  check_keys(map, problems);
}

void validate_secret(const Json& secret, Problems& problems) {
  check_size(secret, problems);
  check_keys(secret, problems);
  if (const Json* data = base::find(secret, "data"); data && data->is_object())
    for (const auto& [key, value] : data->items())
      if (!value.is_string() || !base::from_base64(value.get_ref<const std::string&>()))
        problems.invalid("data[" + key + "]", "\"\"", "illegal base64 data");
  if (base::text(secret, "type") == "kubernetes.io/tls")
    for (const char* key : {"tls.crt", "tls.key"})
      if (!base::find(secret, "data", key)) problems.required("data[" + std::string(key) + "]");
}

std::vector<Json> config_map_cells(const Json& object) {
  return {std::to_string(entries(object, "data") + entries(object, "binaryData")), age_of(object)};
}
std::vector<Json> secret_cells(const Json& object) {
  return {string_at(object, "type"), std::to_string(entries(object, "data")), age_of(object)};
}
std::vector<Json> account_cells(const Json& object) {
  return {std::to_string(items(object, "secrets").size()), age_of(object)};
}

void claim_defaults(Json& claim) { set_default(claim["spec"], "volumeMode", "Filesystem"); }
void claim_create(Json& claim) { claim["status"] = {{"phase", "Pending"}}; }
std::vector<Json> claim_cells(const Json& claim) {
  std::vector<std::string> modes;
  for (const Json& mode : items(claim, "status", "accessModes")) {
    std::string text = mode.get<std::string>();
    modes.push_back(text == "ReadWriteOnce"   ? "RWO"
                    : text == "ReadOnlyMany"  ? "ROX"
                    : text == "ReadWriteMany" ? "RWX"
                                              : "RWOP");
  }
  std::string attributes = string_at(claim, "spec", "volumeAttributesClassName");
  return {string_at(claim, "status", "phase"),
          string_at(claim, "spec", "volumeName"),
          string_at(claim, "status", "capacity", "storage"),
          base::join(modes, ","),
          string_at(claim, "spec", "storageClassName"),
          attributes.empty() ? "<unset>" : attributes,
          age_of(claim),
          string_at(claim, "spec", "volumeMode")};
}

KindRow core(std::string kind, std::string singular, std::vector<std::string> short_names) {
  return {.group = "",
          .versions = {"v1"},
          .kind = std::move(kind),
          .plural = singular + "s",
          .singular = singular,
          .short_names = std::move(short_names)};
}

}  // namespace

std::vector<KindRow> data_kinds() {
  KindRow config_map = core("ConfigMap", "configmap", {"cm"});
  config_map.columns = {{"Data"}, {"Age"}};
  config_map.rules = {.validate = validate_config_map, .validate_update = immutable_data, .cells = config_map_cells};

  KindRow secret = core("Secret", "secret", {});
  secret.columns = {{"Type"}, {"Data"}, {"Age"}};
  secret.rules = {.defaults = secret_defaults,
                  .validate = validate_secret,
                  .validate_update = secret_update,
                  .cells = secret_cells,
                  .selectable = {"type"}};

  KindRow account = core("ServiceAccount", "serviceaccount", {"sa"});
  account.returns_deleted = true;
  account.columns = {{"Secrets"}, {"Age"}};
  account.rules = {.cells = account_cells};

  KindRow claim = core("PersistentVolumeClaim", "persistentvolumeclaim", {"pvc"});
  claim.has_status = true;
  claim.idle = true;
  claim.returns_deleted = true;
  claim.columns = {{"Status"},       {"Volume"},
                   {"Capacity"},     {"Access Modes"},
                   {"StorageClass"}, {"VolumeAttributesClass"},
                   {"Age"},          {"VolumeMode", "string", "", 1}};
  claim.rules = {.defaults = claim_defaults, .prepare_create = claim_create, .cells = claim_cells};

  return {config_map, secret, account, claim};
}

}  // namespace localkube
