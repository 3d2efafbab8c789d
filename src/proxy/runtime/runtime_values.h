// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>

#include <map>
#include <string>

namespace envoy::config::bootstrap::v3 {
class Bootstrap;
}

namespace proxy {

// What the static layers of a bootstrap's layered_runtime say, by key; later layers win. They do not change while the
// process runs, so that they are settled when a resource is compiled.
using RuntimeValues = std::map<std::string, google::protobuf::Value, std::less<>>;

// Keys that Envoy heeds of itself, and that have no effect here, are logged.
RuntimeValues runtime_values_of(const envoy::config::bootstrap::v3::Bootstrap& bootstrap);

// Puts the values in the place of the defaults wherever `message`, or what its Anys hold, names one of their keys:
// RuntimeFractionalPercent, RuntimeDouble, RuntimeUInt32, RuntimeFeatureFlag, access log filters, weighted clusters
// with a runtime_key_prefix, faults (under Envoy's own keys where they name none). A value of a wrong kind leaves the
// default, as in Envoy. False: nothing changed.
bool settle_runtime(google::protobuf::Message& message, const RuntimeValues& values);

}  // namespace proxy
