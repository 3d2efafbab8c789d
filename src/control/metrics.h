// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "telemetry/metrics.h"

namespace control {

// What the control plane counts, under Istio's names. Belongs to the loop.
struct Metrics {
  std::map<std::string, uint64_t, std::less<>> pushes;         // by short type: cds, eds, lds, rds, sds
  std::map<std::string, uint64_t, std::less<>> rejections;     // NACKs, likewise
  std::map<std::string, uint64_t, std::less<>> push_triggers;  // endpoint, config
  telemetry::Histogram convergence_seconds;                    // from a change to the last push of it
  telemetry::Histogram config_bytes;                           // of one response
  uint64_t certificate_requests = 0, certificates_issued = 0, authentication_failures = 0;
  uint64_t injections = 0, injection_failures = 0, injections_skipped = 0;
  uint64_t validations_passed = 0, validations_failed = 0;

  // The counters above; the caller adds gauges of the moment.
  void add_to(telemetry::Scrape& scrape) const;
};

// Resident memory, CPU time, start time and open descriptors of this process, under Prometheus' names.
void add_process(telemetry::Scrape& scrape);

}  // namespace control
