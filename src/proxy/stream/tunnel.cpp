// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/tunnel.h"

#include "base/strings.h"
#include "http/websocket.h"
#include "proxy/stream/stream.h"

namespace proxy {

http::RequestHead extended_connect(const http::RequestHead& upgrade) {
  http::RequestHead out = upgrade;
  out.method = "CONNECT";
  out.protocol = upgrade.headers.get("upgrade").value_or("");
  out.headers.remove("upgrade");
  out.headers.remove("sec-websocket-key");  // RFC 8441, 5: not used
  return out;
}

void note_agreed(const http::RequestHead& upgrade, http::ResponseHead& response) {
  response.status = 101;
  response.headers.set("upgrade", upgrade.headers.get("upgrade").value_or(""));
  if (auto key = upgrade.headers.get("sec-websocket-key"); key && !response.headers.contains("sec-websocket-accept"))
    response.headers.set("sec-websocket-accept", http::websocket_accept(*key));
}

// What the request asks to become, if anything; an extended CONNECT becomes the Upgrade that it stands for.
void Stream::note_tunnel(bool wants_upgrade) {
  upgrade_ = wants_upgrade;
  if (request.method == "CONNECT") {
    upgrade_ = true;
    connect_ = request.protocol.empty();
    if (!connect_) {
      request.method = "GET";
      request.headers.set("upgrade", request.protocol);
      request.protocol.clear();
    }
  }
  // HTTP/1.1 ends such a request with its head; what follows belongs to the tunnel.
  if (upgrade_ && record.protocol != telemetry::Protocol::Http2) request_ended_ = false;
}

// An HTTP/1.1 server answers a WebSocket's key, which extended CONNECT does not carry.
void Stream::complete_handshake() {
  if (!base::equal_ignoring_case(request.headers.get("upgrade").value_or(""), "websocket") ||
      request.headers.contains("sec-websocket-key"))
    return;
  const uint64_t key[2] = {worker_.dice().next(), worker_.dice().next()};
  request.headers.set("sec-websocket-key", base::to_base64({reinterpret_cast<const char*>(key), sizeof key}));
}

}  // namespace proxy
