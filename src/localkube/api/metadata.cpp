// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/metadata.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"

namespace localkube {

namespace {

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alphanumeric(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool is_label(std::string_view text) {
  if (text.empty() || !lower_or_digit(text.front()) || !lower_or_digit(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return lower_or_digit(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  for (std::string_view piece : base::split(text, '.'))
    if (!is_label(piece)) return false;
  return true;
}

bool is_qualified(std::string_view text) {
  if (text.empty() || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string at_most(size_t most) { return "must be no more than " + std::to_string(most) + " characters"; }

constexpr std::string_view kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kServiceLabel =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kNamePart =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kLabelValue =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

constexpr size_t kMostAnnotationBytes = 256u << 10;

constexpr size_t kMostOwners = 64;

void validate_owners(const Json& object, Problems& problems) {
  const Json& owners = items(object, "metadata", "ownerReferences");
  if (owners.size() > kMostOwners) return problems.too_many("metadata.ownerReferences", owners.size(), kMostOwners);
  size_t i = 0, controllers = 0;
  for (const Json& owner : owners) {
    std::string path = "metadata.ownerReferences[" + std::to_string(i++) + "]";
    for (const char* key : {"apiVersion", "kind", "name", "uid"})
      if (base::text(owner, key).empty())
        problems.invalid(path + "." + key, "\"\"", std::string(key) + " must not be empty");
    if (truth(owner, "controller") && ++controllers == 2)
      problems.invalid("metadata.ownerReferences", "[]", "Only one reference can have Controller set to true");
  }
}

}  // namespace

std::string name_fault(NameRule rule, std::string_view name) {
  switch (rule) {
    case NameRule::Subdomain:
      if (name.size() > 253) return at_most(253);
      return is_subdomain(name) ? "" : std::string(kSubdomain);
    case NameRule::Label:
      if (name.size() > 63) return at_most(63);
      return is_label(name) ? "" : std::string(kLabel);
    case NameRule::ServiceLabel:
      if (name.size() > 63) return at_most(63);
      return is_label(name) && !(name[0] >= '0' && name[0] <= '9') ? "" : std::string(kServiceLabel);
    case NameRule::PathSegment:
      if (name == "." || name == "..") return "may not be '" + std::string(name) + "'";
      if (name.find('/') != name.npos) return "may not contain '/'";
      if (name.find('%') != name.npos) return "may not contain '%'";
      return "";
  }
  return "";
}

std::string label_key_fault(std::string_view key) {
  auto parts = base::split(key, '/');
  if (parts.size() > 2) return "a qualified name " + std::string(kNamePart).substr(10);
  if (parts.size() == 2) {
    if (parts[0].empty()) return "prefix part must be non-empty";
    if (parts[0].size() > 253 || !is_subdomain(parts[0])) return "prefix part " + std::string(kSubdomain);
  }
  if (parts.back().empty()) return "name part must be non-empty";
  if (parts.back().size() > 63) return "name part " + at_most(63);
  return is_qualified(parts.back()) ? "" : std::string(kNamePart);
}

std::string label_value_fault(std::string_view value) {
  if (value.size() > 63) return at_most(63);
  return value.empty() || is_qualified(value) ? "" : std::string(kLabelValue);
}

void validate_metadata(const KindRow& row, const Json& object, Problems& problems) {
  std::string name = string_at(object, "metadata", "name");
  if (name.empty())
    problems.required("metadata.name", "name or generateName is required");
  else if (std::string fault = name_fault(row.name_rule, name); !fault.empty())
    problems.invalid("metadata.name", in_quotes(name), fault);
  if (const Json* labels = base::find(object, "metadata", "labels"); labels && labels->is_object())
    for (const auto& [key, value] : labels->items()) {
      if (std::string fault = label_key_fault(key); !fault.empty())
        problems.invalid("metadata.labels", in_quotes(key), fault);
      std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      if (std::string fault = label_value_fault(text); !fault.empty())
        problems.invalid("metadata.labels", in_quotes(text), fault);
    }
  size_t bytes = 0;
  if (const Json* annotations = base::find(object, "metadata", "annotations"); annotations && annotations->is_object())
    for (const auto& [key, value] : annotations->items()) {
      if (std::string fault = label_key_fault(base::to_lower(key)); !fault.empty())
        problems.invalid("metadata.annotations", in_quotes(key), fault);
      bytes += key.size() + (value.is_string() ? value.get_ref<const std::string&>().size() : 0);
    }
  if (bytes > kMostAnnotationBytes)
    problems.too_long("metadata.annotations",
                      "may not be more than " + std::to_string(kMostAnnotationBytes) + " bytes");
  for (const Json& finalizer : items(object, "metadata", "finalizers"))
    if (std::string text = finalizer.is_string() ? finalizer.get<std::string>() : ""; !label_key_fault(text).empty())
      problems.invalid("metadata.finalizers", in_quotes(text), label_key_fault(text));
  validate_owners(object, problems);
}

void validate_metadata_update(const Json& object, const Json& old, Problems& problems) {
  if (!base::find(old, "metadata", "deletionTimestamp")) return;
  const Json& before = items(old, "metadata", "finalizers");
  std::vector<std::string> added;
  for (const Json& finalizer : items(object, "metadata", "finalizers"))
    if (std::find(before.begin(), before.end(), finalizer) == before.end()) added.push_back(Problems::text(finalizer));
  if (!added.empty())
    problems.forbidden("metadata.finalizers",
                       "no new finalizers can be added if the object is being deleted, found new finalizers []string{" +
                           base::join(added, ", ") + "}");
}

std::string new_uid() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) std::abort();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string hex = base::to_hex({reinterpret_cast<const char*>(bytes), sizeof bytes});
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

// No vowels and no look-alikes, so that no words appear.
std::string random_suffix(size_t letters) {
  constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::vector<unsigned char> bytes(letters);
  if (RAND_bytes(bytes.data(), static_cast<int>(letters)) != 1) std::abort();
  std::string text;
  for (unsigned char byte : bytes) text += alphabet[byte % alphabet.size()];
  return text;
}

}  // namespace localkube
