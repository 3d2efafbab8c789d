// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "net/tls.h"
#include "proxy/runtime/slots.h"

// What is asked of a peer's certificate, and what is shown to it. A TLS context says so itself, by a secret, or by
// both, which are merged as Protobuf merges messages (as Envoy): one code reads them all, so that nothing acts in one
// place and is passed over in another.
namespace proxy {

// The same with the contents of what it names; an error where something is named and nothing is there.
base::Result<envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext> with_contents(
    envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext from);

// A context with its contents, for one side of TLS. Errors name what cannot act.
base::Result<void> compile(const envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext& from,
                           net::TlsSettings& out);

// What a TLS context says itself.
envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext default_validation(const TlsSpec& spec);

// Whether all that a context and its secret say goes together, for the one who asks so.
base::Result<void> check_whole(const envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext& whole,
                               const TlsSpec& spec);

base::Result<void> compile(const envoy::extensions::transport_sockets::tls::v3::TlsCertificate& from,
                           std::string& chain, std::string& key);

// Whether a secret can be used, on its own and by those who name it.
base::Result<void> check_secret(const envoy::extensions::transport_sockets::tls::v3::Secret& secret,
                                const std::string& name, const std::vector<TlsSpec>& users);

}  // namespace proxy
