// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "mesh/view.h"
#include "translate/envoy.h"

namespace istio::networking::v1alpha3 {
class ClientTLSSettings;
class ServerTLSSettings;
}  // namespace istio::networking::v1alpha3

namespace translate {

// What a client of mTLS must know of the other side.
struct MutualPeer {
  std::string sni;
  std::vector<std::string> identities;  // SPIFFE ids; empty: any of the mesh
  std::vector<std::string> alpn;
};

// Istio's ALPN list for what will flow. Servers choose the filter chain by what
// the client offers. Seine's proxy names the protocol of each request itself;
// for a stock Envoy, which lacks Istio's filter for it, the declared one is
// written here, and what goes to a sniffed port arrives as TCP.
std::vector<std::string> mutual_alpn(mesh::Protocol protocol, mesh::Dialect dialect);

void set_mutual_tls(core::TransportSocket* socket, const MutualPeer& peer);
void set_raw(core::TransportSocket* socket);

// SIMPLE and MUTUAL of a DestinationRule. Named: a credentialName is asked of the control plane; Files: it is passed
// over, and the files and the machine's roots hold.
enum class Credentials { Named, Files };
void set_client_tls(core::TransportSocket* socket, const istio_api::ClientTLSSettings& tls, mesh::Protocol protocol,
                    Credentials credentials);

enum class Layer { Http, Tcp };
// The sidecar's server side: the mesh's certificate, clients must show one.
void set_inbound_tls(core::TransportSocket* socket, const mesh::MeshConfig& mesh, Layer layer);

// A gateway's server: credentialName over ADS, files, or the mesh's own
// certificate (ISTIO_MUTUAL).
void set_gateway_tls(core::TransportSocket* socket, const istio_api::ServerTLSSettings& tls,
                     const mesh::MeshConfig& mesh, Layer layer);

}  // namespace translate
