// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "localkube/api/streaming/remote_command.h"
#include "localkube/api/streaming/spdy.h"
#include "localkube/api/streaming/transport.h"

namespace localkube {

// Over the WebSocket subprotocols v5.channel.k8s.io and v4.channel.k8s.io. Before the end is told it waits,
// a moment at most, until the client has told the size of its window `sizes` times.
std::shared_ptr<RemoteClient> websocket_client(net::Loop& loop, std::shared_ptr<http::WebSocket> socket, int sizes);

// Over SPDY (v4.channel.k8s.io): waits for the streams that these options call
// for; nullptr where they do not come.
net::Task<std::shared_ptr<RemoteClient>> spdy_client(net::Loop& loop, std::shared_ptr<spdy::Session> session,
                                                     PodStreams::ExecOptions options);

}  // namespace localkube
