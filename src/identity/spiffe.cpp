// SPDX-License-Identifier: Apache-2.0
#include "identity/spiffe.h"

#include <algorithm>

#include "base/strings.h"

namespace identity {

namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMaxUri = 2048;  // SPIFFE-ID, section 2.3

bool trust_domain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}
bool path_character(char c) { return trust_domain_character(c) || (c >= 'A' && c <= 'Z'); }

bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, path_character);
}

}  // namespace

base::Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  auto refuse = [&](std::string_view why) {
    return base::fail(base::ErrorKind::Invalid,
                      "\"" + std::string(uri.substr(0, 200)) + "\" is not a workload's SPIFFE id: " + std::string(why));
  };
  if (uri.size() > kMaxUri) return refuse("it is longer than 2048 bytes");
  if (!uri.starts_with(kScheme)) return refuse("it must begin with spiffe://");
  auto parts = base::split(uri.substr(kScheme.size()), '/');
  if (parts.size() != 5 || parts[1] != "ns" || parts[3] != "sa")
    return refuse("the form is spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT");
  if (parts[0].empty() || !std::ranges::all_of(parts[0], trust_domain_character))
    return refuse("a trust domain has lower-case letters, digits, dots, dashes and underscores");
  if (!is_segment(parts[2]) || !is_segment(parts[4])) return refuse("namespace or service account is malformed");
  return SpiffeId{std::string(parts[0]), std::string(parts[2]), std::string(parts[4])};
}

std::string SpiffeId::uri() const {
  return std::string(kScheme) + trust_domain + "/ns/" + ns + "/sa/" + service_account;
}

}  // namespace identity
