// SPDX-License-Identifier: Apache-2.0
#include "control/authority.h"

#include <openssl/sha.h>

#include "base/log.h"
#include "base/strings.h"

namespace control {

using namespace std::chrono_literals;
using base::ErrorKind;
using identity::Authority;
using objects::Json;
using objects::Object;

namespace {

const kube::Resource kSecrets{"", "v1", "secrets"};

std::string field(const Object& secret, std::string_view key) {
  return base::from_base64(base::text(secret.json(), "data", key)).value_or("");
}

base::Result<Authority> authority_of(const Object& secret) {
  auto out =
      Authority::from_pem(field(secret, "ca-cert.pem"), field(secret, "ca-key.pem"), field(secret, "cert-chain.pem"),
                          field(secret, "root-cert.pem"), identity::WallClock::now());
  if (!out)
    return base::fail(ErrorKind::Invalid, secret.ref().text() + " is no certificate authority: " + out.error().message);
  return out;
}

Object secret_of(const Authority& authority, const std::string& ns) {
  return Object(Json{{"apiVersion", "v1"},
                     {"kind", "Secret"},
                     {"type", "istio.io/ca-root"},
                     {"metadata", {{"name", "istio-ca-secret"}, {"namespace", ns}}},
                     {"data",
                      {{"ca-cert.pem", base::to_base64(authority.certificate_pem())},
                       {"ca-key.pem", base::to_base64(authority.key_pem())},
                       {"cert-chain.pem", ""},
                       {"key.pem", ""},
                       {"root-cert.pem", ""}}}});
}

// NotFound where the mesh has no signer yet; other errors say to try again, or (Invalid) to give up.
net::Task<base::Result<Authority>> find_authority(kube::Client& api, std::string ns) {
  for (std::string name : {"cacerts", "istio-ca-secret"}) {
    auto secret = co_await api.get(kSecrets, ns, name);
    if (secret) {
      base::log::info("signing with the authority of Secret {}/{}", ns, name);
      co_return authority_of(*secret);
    }
    if (secret.error().kind != ErrorKind::NotFound) co_return std::unexpected(secret.error());
  }
  co_return base::fail(ErrorKind::NotFound, "no authority in namespace " + ns);
}

}  // namespace

net::Task<base::Result<Authority>> load_authority(kube::Client& api, std::string ns, std::string trust_domain) {
  net::Clock::duration delay = 100ms;
  while (true) {
    auto found = co_await find_authority(api, ns);
    if (found || found.error().kind == ErrorKind::Invalid) co_return found;
    if (found.error().kind == ErrorKind::NotFound) {
      Authority fresh =
          CO_TRY(Authority::self_signed(trust_domain, identity::KeyType::EcP256, identity::WallClock::now()));
      Object secret = secret_of(fresh, ns);
      auto created = co_await api.create(kSecrets, std::move(secret));
      if (created) {
        base::log::info("made a new root certificate, kept in Secret {}/istio-ca-secret", ns);
        co_return fresh;
      }
      found = std::unexpected(created.error());  // a second control plane may have been faster: look again
    }
    base::log::warn("the certificate authority cannot be read yet: {}", base::printable(found.error().message));
    co_await net::sleep(api.loop(), delay);
    delay = std::min<net::Clock::duration>(delay * 2, 5s);
  }
}

std::string webhook_word(const Authority& authority) {
  const std::string text = "seine webhooks\n" + authority.key_pem();
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return base::to_hex({reinterpret_cast<const char*>(digest), 16});
}

std::vector<std::string> ServingCertificate::names(const std::string& ns, const std::string& revision) {
  std::vector<std::string> out;
  for (std::string service :
       {std::string("istiod"), "istiod-" + revision, std::string("istiod-remote"), std::string("istio-pilot")})
    for (const char* domain : {".svc", ".svc.cluster.local", ""}) out.push_back(service + "." + ns + domain);
  return out;
}

base::Result<void> ServingCertificate::renew(identity::WallTime now) {
  auto key = TRY(identity::PrivateKey::generate(identity::KeyType::EcP256));
  std::string leaf = TRY(authority_.sign(key.public_key(), {.dns_names = dns_names_}, now));
  net::TlsSettings settings{.certificate_chain = leaf + authority_.chain_pem(),
                            .private_key = key.pem(),
                            .trusted_roots = authority_.root_pem(),
                            .alpn = {"h2"}};
  proxies_ = TRY(net::TlsContext::server(settings));
  settings.trusted_roots.clear();  // the API server's certificate, if it shows one, is nobody's here
  settings.alpn = {"h2", "http/1.1"};
  webhooks_ = TRY(net::TlsContext::server(settings));
  auto until = TRY(identity::Certificate::from_pem(leaf)).not_after;
  renew_at_ = now + (until - now) / 2;
  return {};
}

base::Result<std::shared_ptr<const net::TlsContext>> ServingCertificate::context(For use, identity::WallTime now) {
  if (!proxies_ || now >= renew_at_) {
    auto renewed = renew(now);
    if (!renewed && !proxies_) return std::unexpected(renewed.error());
    if (!renewed) base::log::error("the serving certificate was not renewed: {}", renewed.error().message);
  }
  return use == For::Proxies ? proxies_ : webhooks_;
}

}  // namespace control
