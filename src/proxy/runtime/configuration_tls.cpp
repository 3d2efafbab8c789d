// SPDX-License-Identifier: Apache-2.0
// The TLS contexts of a configuration: of what is in use, made of specs and secrets.
#include <algorithm>

#include "base/log.h"
#include "proxy/runtime/configuration.h"
#include "proxy/runtime/validation.h"

namespace proxy {

// By slot: whether anything that is configured, or still served, speaks with it.
std::vector<bool> Configuration::tls_in_use(std::span<const std::shared_ptr<const Listener>> besides) const {
  std::vector<bool> out(slots_.tls_specs().size());
  auto mark = [&](Slot slot) {
    if (slot != kNone) out[slot] = true;
  };
  auto mark_listener = [&](const Listener* listener) {
    if (listener) std::ranges::for_each(listener->tls, mark);
  };
  auto mark_transport = [&](const Transport& transport) {
    for (Slot slot : {transport.tls, transport.tls_exclusive, transport.tls_http1, transport.tls_tcp}) mark(slot);
  };
  for (const auto& listener : besides) mark_listener(listener.get());
  for (const auto& [name, entry] : entries(Kind::Listener))
    for (const auto& listener : {entry.listener, entry.next_listener}) mark_listener(listener.get());
  for (const auto& [name, entry] : entries(Kind::Cluster))
    for (const auto& cluster : {entry.cluster, entry.next_cluster}) {
      if (!cluster) continue;
      mark_transport(cluster->transport);
      for (const auto& choice : cluster->transport_choices) mark_transport(choice.transport);
      for (const auto& check : cluster->checks) mark(check.tls);
    }
  return out;
}

using PeerCheck = std::function<base::Result<void>(const net::TlsPeer&)>;

// Where names decide, a client's certificate has one: with two, policy and log could look at different ones.
static PeerCheck one_name_only(PeerCheck check) {
  return [check = std::move(check)](const net::TlsPeer& peer) -> base::Result<void> {
    if (peer.uri_names.size() > 1)
      return base::fail(base::ErrorKind::Denied, "the peer's certificate has several URI names");
    return check(peer);
  };
}

// The name that is asked for, and without one what else there is.
static PeerCheck by_server_name(PeerCheck otherwise) {
  return [otherwise = std::move(otherwise)](const net::TlsPeer& peer) -> base::Result<void> {
    if (peer.server_name.empty()) return otherwise ? otherwise(peer) : base::Result<void>{};
    if (carries_host(peer.server_name, peer)) return {};
    return base::fail(base::ErrorKind::Denied, std::string(kNoExpectedName));
  };
}

base::Result<std::shared_ptr<const net::TlsContext>> Configuration::make_context(const TlsSpec& spec) const {
  net::TlsSettings settings;
  settings.certificate_chain = spec.certificate_chain;
  settings.private_key = spec.private_key;
  settings.require_client_certificate = spec.require_client_certificate;
  settings.check_server_name = false;  // names are check_peer's business
  settings.alpn = spec.alpn;
  settings.tls13_only = spec.tls13_only;
  settings.tls12_only = spec.tls12_only;
  settings.ciphers = spec.ciphers;
  settings.groups = spec.groups;
  if (!spec.certificate_secret.empty()) {
    const Entry* entry = find(Kind::Secret, spec.certificate_secret);
    if (!entry || !entry->secret.has_tls_certificate())
      return base::fail(base::ErrorKind::NotFound, "secret " + spec.certificate_secret + " is not there");
    TRY(compile(entry->secret.tls_certificate(), settings.certificate_chain, settings.private_key));
  }
  auto validation = default_validation(spec);
  if (!spec.validation_secret.empty()) {
    const Entry* entry = find(Kind::Secret, spec.validation_secret);
    if (!entry || !entry->secret.has_validation_context())
      return base::fail(base::ErrorKind::NotFound, "secret " + spec.validation_secret + " is not there");
    validation.MergeFrom(TRY(with_contents(entry->secret.validation_context())));
  }
  TRY(check_whole(validation, spec));
  TRY(compile(validation, settings));
  if (spec.server && settings.check_peer)
    settings.check_peer = one_name_only(std::move(settings.check_peer));
  else if (spec.names_by_sni)
    settings.check_peer = by_server_name(std::move(settings.check_peer));
  settings.require_server_name = spec.require_server_name;
  if (spec.session_seconds) settings.session_lifetime = std::chrono::seconds(*spec.session_seconds);
  settings.ticket_keys = spec.ticket_keys;
  if (!spec.ticket_keys_secret.empty()) {
    const Entry* entry = find(Kind::Secret, spec.ticket_keys_secret);
    if (!entry || !entry->secret.has_session_ticket_keys())
      return base::fail(base::ErrorKind::NotFound, "secret " + spec.ticket_keys_secret + " is not there");
    settings.ticket_keys = TRY(compile(entry->secret.session_ticket_keys()));
  }
  // Between workloads of a mesh, where a full handshake costs both sides several times as much.
  settings.resumable = spec.server ? !settings.ticket_keys.empty() || (spec.resumes && spec.require_client_certificate)
                                   : !settings.certificate_chain.empty();
  // What is revoked meanwhile must not come back with an earlier session.
  if (!settings.revocation_lists.empty() && (!spec.server || spec.require_client_certificate)) {
    settings.resumable = false;
    settings.ticket_keys.clear();
  }
  return spec.server ? net::TlsContext::server(settings) : net::TlsContext::client(settings);
}

void Configuration::build_tls() {
  const auto& specs = slots_.tls_specs();
  const std::vector<bool> used = tls_in_use(left());
  if (std::exchange(secrets_changed_, false)) tls_tried_.clear();
  tls_.resize(specs.size());
  tls_tried_.resize(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!used[i]) {
      tls_[i].reset();
      slots_.forget_tls(static_cast<Slot>(i));
    }
    if (tls_tried_[i] == used[i]) continue;
    tls_tried_[i] = used[i];
    if (!used[i]) continue;
    // A secret that is gone, or is not good any more, leaves what it made in force.
    auto context = make_context(specs[i]);
    if (context) {
      tls_[i] = std::move(*context);
    } else if (context.error().kind != base::ErrorKind::NotFound) {
      base::log::error("TLS: {}", context.error().message);
    }
  }
}

}  // namespace proxy
