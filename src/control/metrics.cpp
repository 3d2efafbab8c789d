// SPDX-License-Identifier: Apache-2.0
#include "control/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace control {

void Metrics::add_to(telemetry::Scrape& scrape) const {
  for (const auto& [type, count] : pushes) scrape.counter("pilot_xds_pushes", {{"type", type}}, count);
  for (const auto& [type, count] : rejections) {
    scrape.counter("pilot_xds_" + type + "_reject", {}, count);
    scrape.counter("pilot_total_xds_rejects", {{"type", type}}, count);
  }
  for (const auto& [type, count] : push_triggers) scrape.counter("pilot_push_triggers", {{"type", type}}, count);
  scrape.histogram("pilot_proxy_convergence_time", {}, convergence_seconds);
  scrape.histogram("pilot_xds_config_size_bytes", {}, config_bytes);
  scrape.counter("citadel_server_csr_count", {}, certificate_requests);
  scrape.counter("citadel_server_success_cert_issuance_count", {}, certificates_issued);
  scrape.counter("citadel_server_authentication_failure_count", {}, authentication_failures);
  scrape.counter("sidecar_injection_requests_total", {}, injections + injection_failures + injections_skipped);
  scrape.counter("sidecar_injection_success_total", {}, injections);
  scrape.counter("sidecar_injection_failure_total", {}, injection_failures);
  scrape.counter("sidecar_injection_skip_total", {}, injections_skipped);
  scrape.counter("galley_validation_passed", {}, validations_passed);
  scrape.counter("galley_validation_failed", {}, validations_failed);
}

void add_process(telemetry::Scrape& scrape) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  scrape.gauge("process_cpu_seconds_total", {}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
  long pages = 0, total = 0;
  std::ifstream("/proc/self/statm") >> total >> pages;
  scrape.gauge("process_resident_memory_bytes", {},
               static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  std::error_code error;
  double descriptors = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error))
    ++descriptors;
  scrape.gauge("process_open_fds", {}, descriptors);
}

}  // namespace control
