// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "config/validate/report.h"

namespace config {
namespace {

namespace api = networking;

void check_egress(Report& report, const Path& path, const api::IstioEgressListener& egress) {
  if (egress.hosts().empty())
    report.error("SN0180", path / "hosts", "sidecar: egress listener must contain at least one host");
  for (int i = 0; i < egress.hosts_size(); ++i) {
    const std::string& host = egress.hosts(i);
    auto parts = base::cut(host, '/');
    if (!parts || parts->first.empty() || parts->second.empty())
      report.error("SN0180", (path / "hosts")[i],
                   "sidecar: invalid host " + in_quotes(host) + ": it must be of the form namespace/dnsName",
                   "./*, */* or istio-system/*");
    else if (parts->second != "*")
      check_domain(report, (path / "hosts")[i], parts->second);
  }
  if (!egress.bind().empty()) report.not_acting(path / "bind", "bind of an egress listener");
  if (egress.capture_mode() != api::DEFAULT) report.not_acting(path / "captureMode", "captureMode");
}

}  // namespace

void check(Report& report, const Sidecar& config) {
  const Path path("spec");
  const api::Sidecar& sidecar = config.spec;
  for (int i = 0; i < sidecar.egress_size(); ++i) check_egress(report, (path / "egress")[i], sidecar.egress(i));
  if (sidecar.egress().empty() && sidecar.ingress().empty() && !sidecar.has_outbound_traffic_policy() &&
      !sidecar.has_inbound_connection_pool())
    report.error("SN0181", path, "sidecar: missing egress");
  if (!sidecar.ingress().empty()) report.not_acting(path / "ingress", "ingress");
  if (sidecar.has_inbound_connection_pool()) report.not_acting(path / "inboundConnectionPool", "inboundConnectionPool");
  if (sidecar.has_outbound_traffic_policy() && sidecar.outbound_traffic_policy().has_egress_proxy())
    report.not_acting(path / "outboundTrafficPolicy" / "egressProxy", "egressProxy");
  if (sidecar.has_workload_selector())
    check_labels(report, path / "workloadSelector" / "labels", sidecar.workload_selector().labels());
}

}  // namespace config
