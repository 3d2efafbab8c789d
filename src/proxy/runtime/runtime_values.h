// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>

#include <map>
#include <optional>
#include <string>

#include "envoy/type/v3/percent.pb.h"

namespace proxy {

// What the runtime says, by key (runtime_layers.h). Settled when a resource is compiled; one whose values change is
// compiled again.
using RuntimeValues = std::map<std::string, google::protobuf::Value, std::less<>>;

// As Envoy: a struct of numerator and denominator is one value, any other is a level of keys.
std::optional<envoy::type::v3::FractionalPercent> runtime_fraction(const google::protobuf::Value& value);

// Puts the values in the place of the defaults wherever `message`, or what its Anys hold, names one of their keys:
// RuntimeFractionalPercent, RuntimeDouble, RuntimeUInt32, RuntimeFeatureFlag, access log filters, weighted clusters
// with a runtime_key_prefix, faults (under Envoy's own keys where they name none). A value of a wrong kind leaves the
// default, as in Envoy. False: nothing changed.
bool settle_runtime(google::protobuf::Message& message, const RuntimeValues& values);

}  // namespace proxy
