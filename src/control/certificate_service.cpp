// SPDX-License-Identifier: Apache-2.0
#include "control/certificate_service.h"

#include <algorithm>

#include "base/log.h"
#include "identity/csr.h"
#include "istio/security/v1alpha1/ca.pb.h"

namespace control {

using base::ErrorKind;
using http::grpc::Code;

base::Result<std::string> CertificateService::sign(std::string_view request, const Identity& caller,
                                                   identity::WallTime now) const {
  istio::v1::auth::IstioCertificateRequest message;
  if (!message.ParseFromArray(request.data(), static_cast<int>(request.size())))
    return base::fail(ErrorKind::Invalid, "not an IstioCertificateRequest");
  // Signing for somebody else, and by another signer, are delegated rights that nobody has here.
  for (const char* field : {"ImpersonatedIdentity", "CertSigner"})
    if (auto it = message.metadata().fields().find(field);
        it != message.metadata().fields().end() && !it->second.string_value().empty())
      return base::fail(ErrorKind::Denied, std::string(field) + " is not allowed");
  auto key = TRY(identity::key_of_csr(message.csr()));
  std::string uri = identity::SpiffeId{trust_domain_, caller.ns, caller.service_account}.uri();
  identity::LeafRequest leaf{
      .uri_names = {uri},
      .lifetime = std::chrono::seconds(std::clamp<int64_t>(message.validity_duration(), 0, 1 << 30))};
  std::string pem = TRY(authority_.sign(key, leaf, now));

  istio::v1::auth::IstioCertificateResponse response;
  response.add_cert_chain(pem);
  if (!authority_.chain_pem().empty())
    for (const auto& link : TRY(identity::Certificate::chain_from_pem(authority_.chain_pem())))
      response.add_cert_chain(link.pem());
  response.add_cert_chain(authority_.root_pem());
  auto issued = TRY(identity::Certificate::from_pem(pem));
  base::log::info("issued {} to {}{}, for {} s", issued.serial, uri,
                  caller.pod.empty() ? "" : " (pod " + caller.pod + ")",
                  std::chrono::duration_cast<std::chrono::seconds>(issued.not_after - now).count());
  return response.SerializeAsString();
}

net::Task<void> CertificateService::create(std::shared_ptr<http::grpc::ServerCall> call, Identity caller) {
  ++metrics_.certificate_requests;
  auto request = co_await call->read();
  if (!request || !*request) {
    call->finish({Code::InvalidArgument, "a request message is missing"});
    co_return;
  }
  auto response = sign(**request, caller, identity::WallClock::now());
  if (!response) {
    base::log::warn("no certificate for {}: {}", caller.ns + "/" + caller.service_account,
                    base::printable(response.error().message));
    bool ours = response.error().kind == ErrorKind::Internal || response.error().kind == ErrorKind::Unavailable;
    Code code = ours                                         ? Code::Internal
                : response.error().kind == ErrorKind::Denied ? Code::PermissionDenied
                                                             : Code::InvalidArgument;
    call->finish({code, response.error().message});
    co_return;
  }
  ++metrics_.certificates_issued;
  auto written = co_await call->write(std::move(*response));
  if (written) call->finish();
}

}  // namespace control
