// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/finding.h"
#include "objects/object.h"

// The generated specs, by their upstream names; include the .pb.h to look inside.
namespace istio::networking::v1alpha3 {
class VirtualService;
class DestinationRule;
class Gateway;
class ServiceEntry;
class Sidecar;
class WorkloadEntry;
class WorkloadGroup;
}  // namespace istio::networking::v1alpha3
namespace istio::security::v1beta1 {
class AuthorizationPolicy;
class PeerAuthentication;
class RequestAuthentication;
}  // namespace istio::security::v1beta1
namespace istio::telemetry::v1alpha1 {
class Telemetry;
}

namespace config {

// What all objects have, taken out of the document once.
struct Meta {
  objects::Ref ref;
  objects::Labels labels;
  objects::Labels annotations;
  std::string created;  // RFC 3339, as stored; compares as text
  std::string uid;
};

Meta meta_of(const objects::Object& object);

// Istio's order wherever "the first wins": oldest, then name, then namespace.
bool older(const Meta& a, const Meta& b);

// One parsed object. Immutable once parsed, so it is shared between snapshots.
template <typename Spec>
struct Config {
  Meta meta;
  Spec spec;
};

using VirtualService = Config<istio::networking::v1alpha3::VirtualService>;
using DestinationRule = Config<istio::networking::v1alpha3::DestinationRule>;
using Gateway = Config<istio::networking::v1alpha3::Gateway>;
using ServiceEntry = Config<istio::networking::v1alpha3::ServiceEntry>;
using Sidecar = Config<istio::networking::v1alpha3::Sidecar>;
using WorkloadEntry = Config<istio::networking::v1alpha3::WorkloadEntry>;
using WorkloadGroup = Config<istio::networking::v1alpha3::WorkloadGroup>;
using AuthorizationPolicy = Config<istio::security::v1beta1::AuthorizationPolicy>;
using PeerAuthentication = Config<istio::security::v1beta1::PeerAuthentication>;
using RequestAuthentication = Config<istio::security::v1beta1::RequestAuthentication>;
using Telemetry = Config<istio::telemetry::v1alpha1::Telemetry>;

// The typed form of one object, or why its document does not fit the schema.
// Rules beyond the schema are validate's.
template <typename Typed>
base::Result<std::shared_ptr<const Typed>> parse(const objects::Object& object);

extern template base::Result<std::shared_ptr<const VirtualService>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const DestinationRule>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const Gateway>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const ServiceEntry>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const Sidecar>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const WorkloadEntry>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const WorkloadGroup>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const AuthorizationPolicy>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const PeerAuthentication>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const RequestAuthentication>> parse(const objects::Object&);
extern template base::Result<std::shared_ptr<const Telemetry>> parse(const objects::Object&);

// Everything that can be said of one object alone, errors and warnings. Empty
// for a good object and for kinds that are not Istio's. The admission webhook
// denies with admission_message of the errors and passes the rest as warnings.
std::vector<Finding> validate(const objects::Object& object);

// Whether it is a format of access logs: proxies would refuse their listeners with another.
bool is_log_format(const std::string& text);

// Whether a gateway's cipherSuites may name it; others are warned of and passed over.
bool is_cipher_suite(std::string_view name);

// "configuration is invalid: 2 errors occurred: ..." as Istio words it; empty
// where no finding is an error.
std::string admission_message(const std::vector<Finding>& findings);

}  // namespace config
