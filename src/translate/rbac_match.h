// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "envoy/config/rbac/v3/rbac.pb.h"
#include "translate/envoy.h"

namespace translate {

// One value of one attribute as Envoy's RBAC asks it. Values may begin or end
// with '*'; "*" alone is "any, but there".
void match_text(matcher::StringMatcher& out, std::string_view value);

namespace permission {
void host(rbac_v3::Permission& out, std::string_view value);
void method(rbac_v3::Permission& out, std::string_view value);
void path(rbac_v3::Permission& out, std::string_view value);
void port(rbac_v3::Permission& out, std::string_view value);
void ip(rbac_v3::Permission& out, std::string_view value);
void sni(rbac_v3::Permission& out, std::string_view value);
}  // namespace permission

namespace principal {
void identity(rbac_v3::Principal& out, std::string_view value);  // "cluster.local/ns/x/sa/y"
void ns(rbac_v3::Principal& out, std::string_view value);
void service_account(rbac_v3::Principal& out, std::string_view value);  // "ns/name"
void direct_ip(rbac_v3::Principal& out, std::string_view value);
void remote_ip(rbac_v3::Principal& out, std::string_view value);
void request_identity(rbac_v3::Principal& out, std::string_view value);  // "issuer/subject"
void header(rbac_v3::Principal& out, const std::string& name, std::string_view value);
void claim(rbac_v3::Principal& out, const std::vector<std::string>& path, std::string_view value);
}  // namespace principal

}  // namespace translate
