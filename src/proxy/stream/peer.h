// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/stream/metrics.h"

namespace proxy {

// How proxies of a mesh tell each other who they are, beside their
// certificates: Istio's headers. HPACK makes them two bytes after the first request.
inline constexpr std::string_view kPeerMetadata = "x-envoy-peer-metadata";       // base64 of a serialized Struct
inline constexpr std::string_view kPeerMetadataId = "x-envoy-peer-metadata-id";  // the node's id

// Between two Seine proxies, where all is multiplexed: the application's own protocol, "2"; HTTP/1.1 where absent.
inline constexpr std::string_view kSeineHttp = "x-seine-http";

std::string encode_peer(const Workload& workload);
std::optional<Workload> decode_peer(std::string_view header);

}  // namespace proxy
