// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace mesh {

// Host names as Gateways, VirtualServices and Sidecars write them: full names
// or wildcards, whose first label is '*' ("*", "*.example.com").

bool is_wildcard(std::string_view host);

// True where every name of `narrow` is one of `wide`: "*.example.com" covers
// "dev.example.com" and "*.dev.example.com", not "example.com".
bool covers(std::string_view wide, std::string_view narrow);

// True where some name is in both.
bool overlaps(std::string_view a, std::string_view b);

// The longer of two that overlap, i.e. the narrower.
std::string_view narrower(std::string_view a, std::string_view b);

// "2001:db8::1" of "2001:0DB8:0::1"; empty for what is no IP address.
std::string canonical_ip(std::string_view text);

}  // namespace mesh
