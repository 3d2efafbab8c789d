// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "http/message.h"

// Upgrade (RFC 9110, 7.8) and extended CONNECT (RFC 8441) are one thing in two
// spellings. Streams hold HTTP/1.1's; HTTP/2 upstreams get the other.
namespace proxy {

// The Upgrade request as an extended CONNECT.
http::RequestHead extended_connect(const http::RequestHead& upgrade);
// A 2xx to that, as HTTP/1.1's 101 to the Upgrade request.
void note_agreed(const http::RequestHead& upgrade, http::ResponseHead& response);

}  // namespace proxy
