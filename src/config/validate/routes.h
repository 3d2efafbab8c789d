// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/validate/report.h"

namespace config {

enum class Place { Root, Delegate };

void check_http_route(Report& report, const Path& path, const networking::HTTPRoute& http, Place place);
void check_tls_route(Report& report, const Path& path, const networking::TLSRoute& tls,
                     const networking::VirtualService& spec);
void check_tcp_route(Report& report, const Path& path, const networking::TCPRoute& tcp);

void check_match(Report& report, const Path& path, const networking::HTTPMatchRequest& match);
void check_destination(Report& report, const Path& path, const networking::Destination& destination);
void check_retries(Report& report, const Path& path, const networking::HTTPRetry& retries);
void check_fault(Report& report, const Path& path, const networking::HTTPFaultInjection& fault);
void check_cors(Report& report, const Path& path, const networking::CorsPolicy& cors);
void check_headers(Report& report, const Path& path, const networking::Headers& headers);

}  // namespace config
