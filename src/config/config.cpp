// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <tuple>

#include "config/specs.h"
#include "objects/proto_json.h"

namespace config {

Meta meta_of(const objects::Object& object) {
  return {.ref = object.ref(),
          .labels = object.labels(),
          .annotations = object.annotations(),
          .created = std::string(object.creation_timestamp()),
          .uid = std::string(object.uid())};
}

bool older(const Meta& a, const Meta& b) {
  return std::tie(a.created, a.ref.name, a.ref.ns) < std::tie(b.created, b.ref.name, b.ref.ns);
}

template <typename Typed>
base::Result<std::shared_ptr<const Typed>> parse(const objects::Object& object) {
  auto typed = std::make_shared<Typed>();
  typed->meta = meta_of(object);
  TRY(objects::from_json(object.spec(), typed->spec));
  return typed;
}

template base::Result<std::shared_ptr<const VirtualService>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const DestinationRule>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const Gateway>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const ServiceEntry>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const Sidecar>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const WorkloadEntry>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const WorkloadGroup>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const AuthorizationPolicy>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const PeerAuthentication>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const RequestAuthentication>> parse(const objects::Object&);
template base::Result<std::shared_ptr<const Telemetry>> parse(const objects::Object&);

}  // namespace config
