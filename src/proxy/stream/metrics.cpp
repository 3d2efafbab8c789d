// SPDX-License-Identifier: Apache-2.0
#include "proxy/stream/metrics.h"

#include "proxy/stream/stream.h"

namespace proxy {

Workload Workload::parse(std::string_view metadata) {
  Workload out;
  auto parts = base::split(metadata, ';');
  std::string* fields[] = {&out.name, &out.ns, &out.canonical_service, &out.canonical_revision, &out.cluster};
  for (size_t i = 0; i < std::min(parts.size(), std::size(fields)); ++i) *fields[i] = parts[i];
  out.app = out.canonical_service;
  out.version = out.canonical_revision;
  return out;
}

static std::string key_of(const Workload& workload) {
  std::string key;
  for (const std::string* part :
       {&workload.name, &workload.ns, &workload.app, &workload.version, &workload.canonical_service,
        &workload.canonical_revision, &workload.cluster, &workload.principal})
    key += *part + ";";
  return key;
}

uint32_t RequestMetrics::number_of_peer(const Workload& workload) {
  if (auto it = numbers_.find(key_of(workload)); it != numbers_.end()) return it->second;
  if (peers_ == kMostPeers) return 0;
  ++peers_;
  return number_of(workload);
}

uint32_t RequestMetrics::number_of(const Workload& workload) {
  std::string key = key_of(workload);
  if (key == ";;;;;;;;") return 0;
  if (auto it = numbers_.find(key); it != numbers_.end()) return it->second;
  workloads_.push_back(workload);
  auto number = static_cast<uint32_t>(workloads_.size() - 1);
  numbers_.emplace(std::move(key), number);
  return number;
}

void RequestMetrics::note_service(const Cluster* cluster) {
  if (!cluster) return;
  services_.try_emplace(cluster->slot, Service{cluster->service_host,
                                               cluster->service_name.empty() ? cluster->name : cluster->service_name,
                                               cluster->service_namespace});
}

void RequestMetrics::count(const Origin& origin, uint32_t destination, const Cluster* cluster, uint32_t flags,
                           const TcpStep& step) {
  Key key;
  key.tcp = true;
  key.inbound = origin.listener->inbound;
  if (key.inbound && origin.mutual_tls && !origin.peer_number)
    origin.peer_number = number_of_peer(Workload{.principal = origin.peer_uri});
  key.peer = key.inbound ? origin.peer_number : destination;
  key.cluster = cluster ? cluster->slot : kNone;
  key.flags = flags;
  key.mutual_tls = origin.mutual_tls;
  auto [it, is_new] = tcp_series_.try_emplace(key);
  if (is_new) note_service(cluster);
  TcpSeries& series = it->second;
  series.opened += step.opened;
  series.closed += step.closed;
  series.received += step.received;
  series.sent += step.sent;
}

void RequestMetrics::count(const Stream& stream) {
  const Origin& origin = stream.origin();
  const telemetry::Record& record = stream.record;
  Key key;
  key.inbound = origin.listener->inbound;
  const Cluster* cluster = stream.cluster_config();
  key.cluster = cluster ? cluster->slot : kNone;
  key.peer = key.inbound ? origin.peer_number : stream.destination_number();
  key.flags = record.flags;
  key.status = static_cast<int16_t>(record.status);
  key.grpc = stream.is_grpc();
  key.mutual_tls = record.mutual_tls;
  if (key.grpc)
    if (auto status = stream.grpc_status()) key.grpc_status = static_cast<int8_t>(*status);
  Series& series = series_[key];
  if (series.requests == 0) note_service(cluster);
  ++series.requests;
  series.duration.observe(std::chrono::duration<double, std::milli>(record.duration).count());
  series.request_bytes.observe(static_cast<double>(record.bytes_received + stream.request.headers.bytes()));
  series.response_bytes.observe(static_cast<double>(record.bytes_sent + stream.response.headers.bytes()));
}

telemetry::Labels RequestMetrics::labels_of(const Key& key, const Workload& self) const {
  const Workload& peer = workloads_[key.peer];
  const Workload& source = key.inbound ? peer : self;
  const Workload& destination = key.inbound ? self : peer;
  auto found = services_.find(key.cluster);
  const Service service = found == services_.end() ? Service{} : found->second;
  auto known = [](const std::string& text) { return text.empty() ? std::string("unknown") : text; };
  telemetry::Labels out{{"reporter", key.inbound ? "destination" : "source"}};
  auto add = [&](const std::string& side, const Workload& who) {
    out.emplace_back(side + "_workload", known(who.name));
    out.emplace_back(side + "_canonical_service", known(who.canonical_service));
    out.emplace_back(side + "_canonical_revision",
                     known(who.canonical_revision.empty() && !who.name.empty() ? "latest" : who.canonical_revision));
    out.emplace_back(side + "_workload_namespace", known(who.ns));
    out.emplace_back(side + "_principal", known(who.principal));
    out.emplace_back(side + "_app", known(who.app));
    out.emplace_back(side + "_version", known(who.version));
    out.emplace_back(side + "_cluster", known(who.cluster));
  };
  add("source", source);
  add("destination", destination);
  out.emplace_back("destination_service", known(service.host));
  out.emplace_back("destination_service_name", known(service.name));
  out.emplace_back("destination_service_namespace", known(service.ns));
  out.emplace_back("request_protocol", key.tcp ? "tcp" : key.grpc ? "grpc" : "http");
  if (!key.tcp) {
    out.emplace_back("response_code", std::to_string(key.status));
    out.emplace_back("grpc_response_status", key.grpc_status < 0 ? "" : std::to_string(key.grpc_status));
  }
  out.emplace_back("response_flags", telemetry::flags_text(key.flags));
  out.emplace_back("connection_security_policy", !key.inbound ? "unknown" : key.mutual_tls ? "mutual_tls" : "none");
  return out;
}

void RequestMetrics::collect(const Workload& self, telemetry::Scrape& scrape) const {
  for (const auto& [key, series] : series_) {
    telemetry::Labels labels = labels_of(key, self);
    scrape.counter("istio_requests_total", labels, series.requests);
    scrape.histogram("istio_request_duration_milliseconds", labels, series.duration);
    scrape.histogram("istio_request_bytes", labels, series.request_bytes);
    scrape.histogram("istio_response_bytes", labels, series.response_bytes);
  }
  for (const auto& [key, series] : tcp_series_) {
    telemetry::Labels labels = labels_of(key, self);
    scrape.counter("istio_tcp_connections_opened_total", labels, series.opened);
    scrape.counter("istio_tcp_connections_closed_total", labels, series.closed);
    scrape.counter("istio_tcp_received_bytes_total", labels, series.received);
    scrape.counter("istio_tcp_sent_bytes_total", labels, series.sent);
  }
}

}  // namespace proxy
