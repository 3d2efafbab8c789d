// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/strings.h"
#include "telemetry/metrics.h"

namespace proxy {

class Stream;
struct Cluster;
struct Origin;
struct RuntimeConfig;

// Who a workload is, in the labels of Istio's metrics; empty prints "unknown".
struct Workload {
  std::string name, ns, app, version, canonical_service, canonical_revision, cluster, principal;

  static Workload parse(std::string_view endpoint_metadata);  // "name;namespace;canonical;revision;cluster"
};

// Istio's standard metrics of one worker. A request costs one look-up by
// numbers: workloads are numbered when endpoints and connections come.
class RequestMetrics {
 public:
  // What peers say of themselves without end is nobody known, after so many of them.
  static constexpr size_t kMostPeers = 2000;

  uint32_t number_of(const Workload& workload);  // 0 is nobody known
  uint32_t number_of_peer(const Workload& workload);
  const Workload& workload(uint32_t number) const { return workloads_[number]; }

  void count(const Stream& stream);
  // What happened to a TCP connection since it was told of last. `destination` is the endpoint's number, `cluster` may
  // be nullptr.
  struct TcpStep {
    bool opened = false, closed = false;
    uint64_t received = 0, sent = 0;  // bytes from and to the client
  };
  void count(const Origin& origin, uint32_t destination, const Cluster* cluster, uint32_t flags, const TcpStep& step);
  void collect(const Workload& self, telemetry::Scrape& scrape) const;

 private:
  struct Key {
    uint32_t peer = 0;     // the other side's number
    uint32_t cluster = 0;  // slot
    uint32_t flags = 0;
    int16_t status = 0;
    int8_t grpc_status = -1;
    bool inbound = false, grpc = false, mutual_tls = false, tcp = false;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t a = uint64_t{key.peer} << 32 | key.cluster;
      uint64_t b = uint64_t{key.flags} << 32 | uint64_t{static_cast<uint16_t>(key.status)} << 16 |
                   uint64_t{static_cast<uint8_t>(key.grpc_status)} << 8 | key.tcp << 3 | key.inbound << 2 |
                   key.grpc << 1 | int{key.mutual_tls};
      return (a ^ b * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL >> 7;
    }
  };
  struct Service {
    std::string host, name, ns;
  };
  struct Series {
    uint64_t requests = 0;
    telemetry::Histogram duration, request_bytes, response_bytes;
  };
  struct TcpSeries {
    uint64_t opened = 0, closed = 0, received = 0, sent = 0;
  };
  void note_service(const Cluster* cluster);
  telemetry::Labels labels_of(const Key& key, const Workload& self) const;

  std::vector<Workload> workloads_{Workload{}};
  size_t peers_ = 0;
  base::StringMap<uint32_t> numbers_;
  std::unordered_map<Key, Series, Hash> series_;
  std::unordered_map<Key, TcpSeries, Hash> tcp_series_;
  std::unordered_map<uint32_t, Service> services_;  // of the clusters counted, which may be gone since
};

}  // namespace proxy
