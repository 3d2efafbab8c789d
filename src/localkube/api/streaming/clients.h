// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "localkube/api/streaming/remote_command.h"
#include "localkube/api/streaming/spdy.h"
#include "localkube/api/streaming/transport.h"

namespace localkube {

// Over the WebSocket subprotocols v5.channel.k8s.io and v4.channel.k8s.io.
std::shared_ptr<RemoteClient> websocket_client(std::shared_ptr<http::WebSocket> socket);

// Over SPDY (v4.channel.k8s.io): waits for the streams that these options call
// for; nullptr where they do not come.
net::Task<std::shared_ptr<RemoteClient>> spdy_client(net::Loop& loop, std::shared_ptr<spdy::Session> session,
                                                     PodStreams::ExecOptions options);

}  // namespace localkube
