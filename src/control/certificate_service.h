// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "control/authentication.h"
#include "control/metrics.h"
#include "http/grpc.h"
#include "identity/certificate.h"

namespace control {

// istio.v1.auth.IstioCertificateService/CreateCertificate: a certificate for
// whoever the caller has proven to be. Names in the request are not looked at.
class CertificateService {
 public:
  CertificateService(const identity::Authority& authority, std::string trust_domain, Metrics& metrics)
      : authority_(authority), trust_domain_(std::move(trust_domain)), metrics_(metrics) {}

  static constexpr std::string_view kPath = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

  net::Task<void> create(std::shared_ptr<http::grpc::ServerCall> call, Identity caller);

  // The response's bytes for a request's bytes.
  base::Result<std::string> sign(std::string_view request, const Identity& caller, identity::WallTime now) const;

 private:
  const identity::Authority& authority_;  // outlives this
  const std::string trust_domain_;
  Metrics& metrics_;
};

}  // namespace control
