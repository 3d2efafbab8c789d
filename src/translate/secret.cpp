// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "translate/envoy.h"
#include "translate/translate.h"

namespace translate {
namespace {

constexpr std::string_view kScheme = "kubernetes://";
constexpr std::string_view kCaSuffix = "-cacert";

// One key of a Secret, decoded; the first of the spellings that is there.
std::string value_of(const objects::Object& secret, std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys)
    if (auto decoded = base::from_base64(base::text(secret.json(), "data", key)); decoded && !decoded->empty())
      return *decoded;
  return "";
}

std::shared_ptr<tls_v3::Secret> certificate_of(const objects::Object& object) {
  std::string chain = value_of(object, {"tls.crt", "cert"});
  std::string key = value_of(object, {"tls.key", "key"});
  if (chain.empty() || key.empty()) return nullptr;
  auto secret = std::make_shared<tls_v3::Secret>();
  secret->mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes(chain);
  secret->mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(key);
  return secret;
}

std::shared_ptr<tls_v3::Secret> authority_of(const objects::Object& object) {
  std::string ca = value_of(object, {"ca.crt", "cacert"});
  if (ca.empty()) return nullptr;
  auto secret = std::make_shared<tls_v3::Secret>();
  secret->mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(ca);
  std::string revoked = value_of(object, {"ca.crl", "crl"});
  if (!revoked.empty()) secret->mutable_validation_context()->mutable_crl()->set_inline_bytes(revoked);
  return secret;
}

}  // namespace

std::vector<Resource> secrets(const mesh::View& view, std::span<const std::string> names) {
  std::vector<Resource> out;
  for (const std::string& name : names) {
    if (!name.starts_with(kScheme)) continue;
    std::string_view wanted = std::string_view(name).substr(kScheme.size());
    std::string_view ns = view.proxy().ns;
    if (auto cut = base::cut(wanted, '/')) std::tie(ns, wanted) = *cut;
    const objects::Object* object = view.secret(ns, wanted);
    std::shared_ptr<tls_v3::Secret> secret;
    if (wanted.ends_with(kCaSuffix)) {
      // "name-cacert" is a Secret of its own, or the ca.crt of "name".
      if (!object) object = view.secret(ns, wanted.substr(0, wanted.size() - kCaSuffix.size()));
      if (object) secret = authority_of(*object);
    } else if (object) {
      secret = certificate_of(*object);
    }
    if (!secret) continue;
    secret->set_name(name);
    out.push_back({name, secret, {object->ref()}});
  }
  return out;
}

}  // namespace translate
