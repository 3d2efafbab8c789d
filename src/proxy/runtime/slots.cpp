// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/slots.h"

namespace proxy {

std::string TlsSpec::key() const {
  std::string out;
  auto add = [&out](std::string_view part) {
    out += std::to_string(part.size());
    out += ':';
    out += part;
  };
  out += server ? 's' : 'c';
  out += require_client_certificate ? 'r' : '-';
  out += names_by_sni ? 'n' : '-';
  out += tls13_only ? '3' : tls12_only ? '2' : '-';
  for (const std::string* words : {&ciphers, &groups}) out += *words + '\n';
  out += require_server_name ? 'q' : '-';
  out += resumes ? 'k' : '-';
  if (session_seconds) add(std::to_string(*session_seconds));
  add(ticket_keys_secret);
  add(std::to_string(ticket_keys.size()));
  for (const std::string& key : ticket_keys) add(key);
  for (std::string_view part :
       {std::string_view(certificate_secret), std::string_view(validation_secret), std::string_view(certificate_chain),
        std::string_view(private_key), std::string_view(validation)})
    add(part);
  for (const std::string& protocol : alpn) add(protocol);
  return out;
}

static Slot slot_of(base::StringMap<Slot>& names, std::string_view name) {
  auto it = names.find(name);
  if (it == names.end()) it = names.emplace(std::string(name), static_cast<Slot>(names.size())).first;
  return it->second;
}

Slot Slots::cluster(std::string_view name) {
  size_t before = clusters_.size();
  Slot slot = slot_of(clusters_, name);
  if (clusters_.size() != before) shared_.reset();
  return slot;
}

Slot Slots::route_table(std::string_view name) { return slot_of(route_tables_, name); }

Slot Slots::tls(TlsSpec spec) {
  auto [it, fresh] = tls_.try_emplace(spec.key(), static_cast<Slot>(specs_.size()));
  if (fresh) specs_.push_back(std::move(spec));
  return it->second;
}

void Slots::forget_tls(Slot slot) {
  auto it = tls_.find(specs_[slot].key());
  if (it == tls_.end() || it->second != slot) return;  // it is forgotten
  tls_.erase(it);
  TlsSpec gone;
  std::swap(specs_[slot], gone);  // an assignment would keep the memory
}

Slot Slots::counter(telemetry::StatName name) {
  Slot slot = slot_of(counters_, name.dotted);
  if (slot == counter_list_.size()) {
    counter_list_.push_back(std::move(name));
    shared_counters_.reset();
  }
  return slot;
}

std::shared_ptr<const std::vector<telemetry::StatName>> Slots::counters() {
  if (!shared_counters_) shared_counters_ = std::make_shared<const std::vector<telemetry::StatName>>(counter_list_);
  return shared_counters_;
}

Slot Slots::worker_state(std::string_view key) { return slot_of(worker_states_, key); }

Slot Slots::filter(std::string_view name) { return slot_of(filters_, name); }

std::shared_ptr<ClusterShared> Slots::shared(Slot cluster) {
  if (clusters_shared_.size() <= cluster) clusters_shared_.resize(cluster + 1);
  auto out = clusters_shared_[cluster].lock();
  // Not make_shared: its memory would stay for as long as its slot.
  if (!out) clusters_shared_[cluster] = out = std::shared_ptr<ClusterShared>(new ClusterShared(workers_));
  return out;
}

base::Result<void> Slots::set_source(Kind kind, std::string_view name,
                                     const envoy::config::core::v3::ConfigSource& from) {
  sources_[static_cast<size_t>(kind)][std::string(name)] = TRY(Source::parse(from));
  return {};
}

const Source& Slots::source(Kind kind, std::string_view name) const {
  static const Source kAds;
  const auto& known = sources_[static_cast<size_t>(kind)];
  auto it = known.find(name);
  return it == known.end() ? kAds : it->second;
}

std::shared_ptr<const base::StringMap<Slot>> Slots::cluster_names() {
  if (!shared_) shared_ = std::make_shared<const base::StringMap<Slot>>(clusters_);
  return shared_;
}

}  // namespace proxy
