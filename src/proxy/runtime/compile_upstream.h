// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "envoy/config/core/v3/protocol.pb.h"
#include "proxy/runtime/compile.h"

// The parts of a cluster that have files of their own.
namespace proxy {

std::unexpected<base::Error> not_acting(const std::string& field);  // "FIELD does not act in this proxy"
std::vector<std::pair<std::string, std::string>> labels_of(const google::protobuf::Struct& from);

base::Result<void> compile_balance(const envoy::config::cluster::v3::Cluster& from, Cluster& out);
base::Result<void> compile_breakers(const envoy::config::cluster::v3::Cluster& from, Cluster& out);
base::Result<void> compile_outlier(const envoy::config::cluster::v3::Cluster& from, Cluster& out);
base::Result<void> compile_checks(const Compiler& compiler, const envoy::config::cluster::v3::Cluster& from,
                                  Cluster& out);
base::Result<void> compile_http(const envoy::config::cluster::v3::Cluster& from, Cluster& out);
// dns_names and what they are resolved with.
base::Result<void> compile_dns(const envoy::config::cluster::v3::Cluster& from, Cluster& out);

}  // namespace proxy
