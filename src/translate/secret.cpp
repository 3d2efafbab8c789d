// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "identity/certificate.h"
#include "identity/pair.h"
#include "mesh/credential.h"
#include "translate/envoy.h"
#include "translate/translate.h"

namespace translate {
namespace {

constexpr std::string_view kScheme = "kubernetes://";
constexpr std::string_view kCaSuffix = "-cacert";

// What a proxy would refuse is left out: it would keep whatever listens with it waiting.
std::shared_ptr<tls_v3::Secret> certificate_of(const objects::Object& object) {
  const mesh::Credential credential = mesh::credential_of(object);
  if (!credential.has_pair() || !identity::check_pair(credential.certificate, credential.key)) return nullptr;
  auto secret = std::make_shared<tls_v3::Secret>();
  secret->mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes(credential.certificate);
  secret->mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(credential.key);
  return secret;
}

std::shared_ptr<tls_v3::Secret> authority_of(const objects::Object& object) {
  const mesh::Credential credential = mesh::credential_of(object);
  if (!identity::Certificate::chain_from_pem(credential.authority)) return nullptr;
  if (!credential.revoked.empty() && !identity::check_revocations(credential.revoked)) return nullptr;
  auto secret = std::make_shared<tls_v3::Secret>();
  secret->mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(credential.authority);
  if (!credential.revoked.empty())
    secret->mutable_validation_context()->mutable_crl()->set_inline_bytes(credential.revoked);
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
