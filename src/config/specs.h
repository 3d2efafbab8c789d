// SPDX-License-Identifier: Apache-2.0
#pragma once

// All generated specs, for those who look inside a config::Config.
#include "config/config.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/gateway.pb.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"
#include "istio/networking/v1alpha3/sidecar.pb.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"
#include "istio/networking/v1alpha3/workload_entry.pb.h"
#include "istio/networking/v1alpha3/workload_group.pb.h"
#include "istio/security/v1beta1/authorization_policy.pb.h"
#include "istio/security/v1beta1/peer_authentication.pb.h"
#include "istio/security/v1beta1/request_authentication.pb.h"
#include "istio/telemetry/v1alpha1/telemetry.pb.h"

namespace config {

namespace networking = istio::networking::v1alpha3;
namespace security = istio::security::v1beta1;
namespace telemetry = istio::telemetry::v1alpha1;

}  // namespace config
