// SPDX-License-Identifier: Apache-2.0
#include "mesh/hostname.h"

#include <arpa/inet.h>

namespace mesh {

bool is_wildcard(std::string_view host) { return host.starts_with('*'); }

bool covers(std::string_view wide, std::string_view narrow) {
  if (wide == "*") return true;
  if (!is_wildcard(wide)) return wide == narrow;
  std::string_view suffix = wide.substr(1);
  if (is_wildcard(narrow)) return narrow.size() >= wide.size() && narrow.substr(1).ends_with(suffix);
  return narrow.size() > suffix.size() && narrow.ends_with(suffix);
}

bool overlaps(std::string_view a, std::string_view b) { return covers(a, b) || covers(b, a); }

std::string_view narrower(std::string_view a, std::string_view b) { return covers(a, b) ? b : a; }

std::string canonical_ip(std::string_view text) {
  unsigned char bytes[16];
  char out[INET6_ADDRSTRLEN];
  const std::string copy(text);
  for (int family : {AF_INET, AF_INET6})
    if (inet_pton(family, copy.c_str(), bytes) == 1 && inet_ntop(family, bytes, out, sizeof out)) return out;
  return "";
}

}  // namespace mesh
