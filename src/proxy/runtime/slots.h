// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "proxy/route/route.h"
#include "proxy/runtime/source.h"
#include "proxy/upstream/shared.h"
#include "telemetry/metrics.h"

namespace proxy {

// What a TLS context is made of, with secrets by name or in line.
struct TlsSpec {
  bool server = false;
  std::string certificate_secret, validation_secret;  // SDS
  std::string certificate_chain, private_key;         // PEM, in line
  std::string validation;     // a CertificateValidationContext with its files' contents, which the secret's adds to
  bool names_by_sni = false;  // a client's: the name that is asked for, in place of all that `validation` lists
  bool require_client_certificate = false;
  bool tls13_only = false, tls12_only = false;
  std::string ciphers, groups;       // in OpenSSL's words; empty: the defaults of net
  bool require_server_name = false;  // server: a client must ask for a name of the certificate
  bool resumes = true;               // server: sessions that it keeps itself
  std::vector<std::string> ticket_keys;
  std::string ticket_keys_secret;  // SDS
  std::optional<int64_t> session_seconds;
  std::vector<std::string> alpn;

  std::string key() const;  // equal specs have equal keys, and share one context
};

// The indices by which compiled resources name each other. Indices are given
// at the first mention and never taken back, so what is compiled stays right
// when other resources come and go. Main thread only.
class Slots {
 public:
  explicit Slots(unsigned workers = 1) : workers_(workers) {}

  Slot cluster(std::string_view name);
  Slot route_table(std::string_view name);
  Slot tls(TlsSpec spec);
  void forget_tls(Slot slot);  // nothing speaks with it any more: what it was made of goes, keys above all
  // A counter that workers keep (Worker::count); the same name again is the same counter.
  Slot counter(telemetry::StatName name);
  std::shared_ptr<const std::vector<telemetry::StatName>> counters();  // by slot; a copy that threads may share
  // Of something that each worker keeps (Worker::state); `key` begins with its kind.
  Slot worker_state(std::string_view key);
  std::shared_ptr<ClusterShared> shared(Slot cluster);  // what all workers know of it, across configurations
  // Where what is named is to be had; the last word counts.
  base::Result<void> set_source(Kind kind, std::string_view name, const envoy::config::core::v3::ConfigSource& from);
  const Source& source(Kind kind, std::string_view name) const;  // ADS where nothing was said
  bool has_source(Kind kind, std::string_view name) const { return sources_[static_cast<size_t>(kind)].contains(name); }
  Slot filter(std::string_view name);  // of HTTP filters, as listeners and routes name them

  std::shared_ptr<const base::StringMap<Slot>> cluster_names();  // a copy that threads may share
  bool first_mention(const std::string& what) { return mentioned_.insert(what).second; }  // what is warned about once
  size_t clusters() const { return clusters_.size(); }
  size_t route_tables() const { return route_tables_.size(); }
  const std::vector<TlsSpec>& tls_specs() const { return specs_; }
  const base::StringMap<Slot>& route_table_names() const { return route_tables_; }

 private:
  base::StringMap<Source> sources_[kResourceKinds];
  base::StringMap<Slot> clusters_, route_tables_, tls_, filters_;
  std::vector<TlsSpec> specs_;
  std::set<std::string> mentioned_;
  const unsigned workers_;
  std::vector<std::weak_ptr<ClusterShared>> clusters_shared_;  // by slot; alive while a Cluster names it
  std::shared_ptr<const base::StringMap<Slot>> shared_;
  base::StringMap<Slot> counters_, worker_states_;
  std::vector<telemetry::StatName> counter_list_;
  std::shared_ptr<const std::vector<telemetry::StatName>> shared_counters_;
};

}  // namespace proxy
