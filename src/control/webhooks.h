// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/finding.h"
#include "control/ingest.h"
#include "control/metrics.h"
#include "inject/inject.h"

namespace control {

// Answers admission reviews (admission.k8s.io/v1): JSON in, JSON out, no
// sockets. A review that makes no sense is Invalid.
class Webhooks {
 public:
  // Both outlive this.
  Webhooks(const Ingest& ingest, Metrics& metrics, inject::Settings settings)
      : ingest_(ingest), metrics_(metrics), settings_(std::move(settings)) {}

  // /inject: a JSON patch for pods that get a sidecar; denies where an annotation makes no sense.
  base::Result<objects::Json> inject(const objects::Json& review);
  // /validate: denies what config::validate calls an error. Its warnings, and
  // what the object would clash with in the mesh as it is, come as warnings;
  // the latter only to the API server, since they tell of others' objects.
  enum class Caller { ApiServer, Anyone };
  base::Result<objects::Json> validate(const objects::Json& review, Caller caller);

  // With MeshConfig's word on top of the flags'.
  inject::Settings injection_settings() const;

 private:
  std::vector<config::Finding> clashes(const objects::Object& object) const;

  const Ingest& ingest_;
  Metrics& metrics_;
  const inject::Settings settings_;
};

}  // namespace control
