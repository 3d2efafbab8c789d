// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "base/strings.h"
#include "config/validate/report.h"

namespace config {
namespace {

namespace api = networking;

void check_hosts(Report& report, const Path& path, const api::ServiceEntry& entry) {
  if (entry.hosts().empty()) report.error("SN0170", path, "service entry must have at least one host");
  for (int i = 0; i < entry.hosts_size(); ++i) {
    if (entry.hosts(i) == "*")
      report.error("SN0170", path[i], "invalid host *");
    else
      check_domain(report, path[i], entry.hosts(i));
  }
}

void check_ports(Report& report, const Path& path, const api::ServiceEntry& entry) {
  if (entry.ports().empty()) report.error("SN0171", path, "service entry must have at least one port");
  std::set<std::string> names;
  std::set<uint32_t> numbers;
  for (int i = 0; i < entry.ports_size(); ++i) {
    const auto& port = entry.ports(i);
    check_port(report, path[i] / "number", port.number());
    if (port.target_port() != 0) check_port(report, path[i] / "targetPort", port.target_port());
    if (port.name().empty()) report.error("SN0171", path[i] / "name", "service entry port name must be set");
    if (!names.insert(port.name()).second)
      report.error("SN0171", path[i] / "name",
                   "service entry port name " + in_quotes(port.name()) + " already defined");
    if (!numbers.insert(port.number()).second)
      report.error("SN0171", path[i] / "number",
                   "service entry port " + std::to_string(port.number()) + " already defined");
  }
}

void check_endpoint_ports(Report& report, const Path& path, const api::WorkloadEntry& endpoint) {
  for (const auto& [name, number] : endpoint.ports()) check_port(report, path(name), number);
}

bool is_by_name(const api::ServiceEntry& entry) {
  return entry.resolution() == api::ServiceEntry::DNS || entry.resolution() == api::ServiceEntry::DNS_ROUND_ROBIN;
}

void check_endpoints(Report& report, const Path& path, const api::ServiceEntry& entry) {
  const auto resolution = entry.resolution();
  if (resolution == api::ServiceEntry::NONE && !entry.endpoints().empty())
    report.error("SN0172", path, "no endpoints should be provided for resolution type none");
  if (resolution == api::ServiceEntry::DNS_ROUND_ROBIN && entry.endpoints_size() > 1)
    report.error("SN0172", path, "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN");
  if (entry.has_workload_selector() && !entry.endpoints().empty())
    report.error("SN0172", path, "only one of WorkloadSelector or Endpoints is allowed in Service Entry");
  for (int i = 0; i < entry.endpoints_size(); ++i) {
    const std::string& address = entry.endpoints(i).address();
    if (resolution == api::ServiceEntry::STATIC && !is_address(address) && !address.starts_with("unix://"))
      report.error("SN0172", path[i] / "address", in_quotes(address) + " is not a valid IP address",
                   "resolution STATIC takes addresses, DNS takes names");
    else if (is_by_name(entry))
      check_domain_or_address(report, path[i] / "address", address);
    if (address.starts_with("unix://"))
      report.error("SN0172", path[i] / "address", "a unix socket as endpoint is not supported by Seine yet");
    check_labels(report, path[i] / "labels", entry.endpoints(i).labels());
    check_endpoint_ports(report, path[i] / "ports", entry.endpoints(i));
  }
  if (!is_by_name(entry) || !entry.endpoints().empty() || entry.has_workload_selector()) return;
  for (const std::string& host : entry.hosts())
    if (host.starts_with('*'))
      report.error("SN0172", Path("spec.hosts"),
                   "hosts must be FQDN if no endpoints are provided for resolution mode DNS");
}

void check_addresses(Report& report, const Path& path, const api::ServiceEntry& entry) {
  for (int i = 0; i < entry.addresses_size(); ++i) {
    check_address_or_cidr(report, path[i], entry.addresses(i));
    if (is_cidr(entry.addresses(i)) && entry.resolution() != api::ServiceEntry::NONE &&
        entry.resolution() != api::ServiceEntry::STATIC)
      report.error("SN0173", path[i], "CIDR addresses are allowed only for NONE/STATIC resolution types");
  }
}

}  // namespace

void check(Report& report, const ServiceEntry& config) {
  const Path path("spec");
  check_hosts(report, path / "hosts", config.spec);
  check_addresses(report, path / "addresses", config.spec);
  check_ports(report, path / "ports", config.spec);
  check_endpoints(report, path / "endpoints", config.spec);
  check_export_to(report, path / "exportTo", config.spec.export_to(), config.meta.ref.ns);
  if (config.spec.resolution() > api::ServiceEntry::DNS_ROUND_ROBIN)
    report.error("SN0174", path / "resolution", "this resolution is not supported by Seine",
                 "NONE, STATIC, DNS or DNS_ROUND_ROBIN");
}

void check(Report& report, const WorkloadEntry& config) {
  const Path path("spec");
  if (config.spec.address().empty() && config.spec.network().empty())
    report.error("SN0175", path / "address", "address is required");
  else if (!config.spec.address().empty() && !config.spec.address().starts_with("unix://"))
    check_domain_or_address(report, path / "address", config.spec.address());
  check_labels(report, path / "labels", config.spec.labels());
  check_endpoint_ports(report, path / "ports", config.spec);
}

void check(Report& report, const WorkloadGroup& config) {
  if (!config.spec.has_template_()) report.error("SN0176", Path("spec.template"), "template is required");
  report.not_acting(Path("spec"), "WorkloadGroup");
}

}  // namespace config
