// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "identity/keys.h"

namespace identity {

using WallClock = std::chrono::system_clock;
using WallTime = WallClock::time_point;

// What a certificate says, read once.
struct Certificate {
  std::string der;
  std::string subject;  // RFC 2253 text: "O=cluster.local"
  std::string issuer;
  std::string serial;  // hexadecimal
  WallTime not_before;
  WallTime not_after;
  std::vector<std::string> uri_names;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_names;  // as text
  bool is_authority = false;          // basicConstraints CA

  std::string pem() const;

  static base::Result<Certificate> from_der(std::string_view der);
  static base::Result<Certificate> from_pem(std::string_view pem);  // the first of the text
  // All certificates of a PEM text, in order; at least one, at most 64.
  static base::Result<std::vector<Certificate>> chain_from_pem(std::string_view pem);
};

// What may be signed into a leaf.
struct LeafRequest {
  std::vector<std::string> uri_names;
  std::vector<std::string> dns_names;
  std::chrono::seconds lifetime{24 * 3600};
};

// A key that signs: the mesh's root, or an intermediate the user brought.
// Leaves carry only the names that the caller gives, a random serial of 128
// bits, and never outlive the signer or the limit.
class Authority {
 public:
  static constexpr std::chrono::hours kRootLifetime{3650 * 24};
  static constexpr std::chrono::seconds kMaxLeafLifetime{24 * 3600};

  // A fresh self-signed root; `organization` as Istio: the trust domain.
  static base::Result<Authority> self_signed(std::string_view organization, KeyType type, WallTime now);
  // As in Secrets: the signer's certificate and key, the certificates between it and the root (may be empty) and the
  // root's (empty: the certificate is the root). Refused if key and certificate differ or the chain does not hold.
  static base::Result<Authority> from_pem(std::string_view certificate, std::string_view key, std::string_view chain,
                                          std::string_view root, WallTime now);

  void limit_lifetime(std::chrono::seconds most) { max_lifetime_ = most; }

  // PEM of the new leaf alone. A lifetime of zero or less means the default of 24 h.
  base::Result<std::string> sign(const PublicKey& key, const LeafRequest& request, WallTime now) const;

  const std::string& certificate_pem() const { return certificate_pem_; }
  const std::string& chain_pem() const {
    return chain_pem_;
  }  // signer up to, without, the root; empty if it is the root
  const std::string& root_pem() const { return root_pem_; }
  std::string key_pem() const { return key_.pem(); }
  WallTime not_after() const { return not_after_; }

 private:
  Authority(PrivateKey key, std::string certificate) : key_(std::move(key)), certificate_pem_(std::move(certificate)) {}
  PrivateKey key_;
  std::string certificate_pem_;
  std::string chain_pem_;
  std::string root_pem_;
  WallTime not_after_{};
  std::chrono::seconds max_lifetime_ = kMaxLeafLifetime;
};

// Does `leaf` (PEM) lead to one of `roots` (PEM) by way of `intermediates` (PEM, may be empty) at this time?
base::Result<void> verify_chain(std::string_view leaf, std::string_view intermediates, std::string_view roots,
                                WallTime now);

}  // namespace identity
