// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/configuration.h"
#include "proxy/runtime/unread.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "proxy/runtime/messages.h"
#include "proxy/runtime/validation.h"

namespace proxy {

Configuration::~Configuration() {
  for (auto& [key, bound] : bound_)
    for (int fd : bound.fds) close(fd);
}

const Configuration::Entry* Configuration::find(Kind kind, std::string_view name) const {
  const Entries& all = entries(kind);
  auto it = all.find(name);
  return it == all.end() ? nullptr : &it->second;
}

std::vector<Rejection> Configuration::update(Kind kind, std::span<const Resource> changed,
                                             std::span<const std::string> removed, From from) {
  std::vector<Rejection> rejections;
  Entries& all = mutable_entries(kind);
  bool missing = false;  // something that is waited for does not exist
  for (const std::string& name : removed) {
    if (auto it = all.find(name); it != all.end()) {
      if (it->second.from != from) continue;
      // As Envoy: a table serves for as long as a listener names it.
      if (kind == Kind::RouteTable && it->second.routes && wanted_[static_cast<size_t>(kind)].contains(name)) continue;
      remove(kind, name);
    } else if (kind == Kind::VirtualHost) {
      demanded_.erase(name);
      for (Worker* worker : workers_) worker->post([worker, name] { worker->no_such_host(name); });
    } else if (wanted_[static_cast<size_t>(kind)].contains(name)) {
      missing |= given_up_[static_cast<size_t>(kind)].insert(name).second;
    }
  }
  std::vector<const Resource*> in_order;
  for (const Resource& resource : changed) in_order.push_back(&resource);
  // A listener that moves leaves an address to one that comes.
  if (kind == Kind::Listener)
    std::stable_partition(in_order.begin(), in_order.end(), [&](const Resource* resource) {
      const Entry* entry = find(kind, resource->name);
      return entry && (entry->listener || entry->next_listener);
    });
  for (size_t at = 0; at < in_order.size(); ++at) {
    const Resource& resource = *in_order[at];
    if (at == changed.size()) free_unused();
    // It was on its way when it was unsubscribed from.
    const bool by_name = kind == Kind::Endpoints || kind == Kind::RouteTable;
    if (by_name && on_wanted && from == From::ControlPlane && !all.contains(resource.name) &&
        !wanted_[static_cast<size_t>(kind)].contains(resource.name))
      continue;
    auto [it, added] = all.try_emplace(resource.name);
    Entry& entry = it->second;
    if (!added && entry.from == From::Bootstrap && from == From::ControlPlane) {
      rejections.push_back({resource.name, "a resource of that name is in the bootstrap and cannot be changed"});
      continue;
    }
    entry.from = from;
    if (!added && entry.error.empty() && entry.body == resource.body.value() && !entry.body.empty()) {
      entry.version = resource.version;  // the same again
      ++entry.taken;
      continue;
    }
    auto taken = take(kind, resource, entry);
    auto now = std::chrono::system_clock::now();
    // Sockets that nobody in this update takes over may be what is in its way.
    if (!taken && kind == Kind::Listener && at < changed.size() && any_unused()) {
      in_order.push_back(&resource);
      continue;
    }
    if (!taken) {
      ++entry.refused;
      entry.error = taken.error().message;
      entry.error_version = resource.version;
      entry.rejected_body = resource.body.value();
      entry.rejected_at = now;
      if (entry.type_url.empty()) entry.type_url = resource.body.type_url();
      rejections.push_back({resource.name, taken.error().message});
      if (added && from == From::Bootstrap) all.erase(it);
      continue;
    }
    if (auto& given_up = given_up_[static_cast<size_t>(kind)]; !given_up.empty()) given_up.erase(resource.name);
    ++(added || entry.body.empty() ? changes_[static_cast<size_t>(kind)].added
                                   : changes_[static_cast<size_t>(kind)].modified);
    if ((entry.listener || entry.cluster) && entry.serving.body.empty() && !entry.warming)
      entry.serving = {entry.version, std::move(entry.body), entry.updated};
    ++entry.taken;
    entry.error.clear();
    entry.rejected_body.clear();
    entry.version = resource.version;
    entry.type_url = resource.body.type_url();
    entry.body = resource.body.value();
    entry.updated = now;
  }
  if (from == From::ControlPlane) ++(rejections.empty() ? updated_count_ : rejected_count_)[static_cast<size_t>(kind)];
  if (from == From::ControlPlane && rejections.empty()) {
    if (!changed.empty()) changes_[static_cast<size_t>(kind)].version = changed.back().version;
    changes_[static_cast<size_t>(kind)].at = std::chrono::system_clock::now();
  }
  // The usual case: endpoints changed, and nothing else.
  if (kind == Kind::Endpoints && !send_endpoints(changed) && !missing) return rejections;
  settle();
  publish();
  tell_wanted();
  return rejections;
}

void Configuration::change_runtime(RuntimeValues values) {
  const RuntimeValues before = std::exchange(runtime_, std::move(values));
  for (Kind kind : {Kind::Cluster, Kind::RouteTable, Kind::VirtualHost, Kind::Listener})
    for (auto& [name, entry] : mutable_entries(kind)) {
      Resource same{.name = name, .version = entry.version, .body = {}};
      same.body.set_type_url(entry.type_url);
      same.body.set_value(entry.body);
      google::protobuf::Any was = same.body, is = same.body;
      settle_runtime(was, before);
      settle_runtime(is, runtime_);
      const bool limited = kind == Kind::Listener && entry.listener && !entry.listener->limit &&
                           listener_limits_.contains(entry.listener->name);
      if (entry.body.empty() || (was.value() == is.value() && !limited)) continue;
      if (auto taken = take(kind, same, entry); !taken)
        base::log::warn("{} stays as it is under the changed runtime: {}", base::printable(name),
                        taken.error().message);
    }
  settle();
  publish();
  tell_wanted();
}

void Configuration::set_listener_limits(const base::StringMap<uint64_t>& limits) {
  for (auto& [name, limit] : listener_limits_)
    if (!limits.contains(name)) limit->limit = UINT64_MAX;
  for (const auto& [name, limit] : limits) {
    auto& place = listener_limits_[name];
    if (!place) place = std::make_shared<ConnectionLimit>();
    place->limit = limit;
  }
}

base::Result<void> Configuration::take(Kind kind, const Resource& resource, Entry& entry) {
  Compiler compiler{slots_, logs_};
  auto named = [&](const std::string& inner) -> base::Result<void> {
    if (inner == resource.name || inner.empty()) return {};
    return base::fail(base::ErrorKind::Invalid, "the resource " + resource.name + " holds one that is named " + inner);
  };
  switch (kind) {
    case Kind::Listener:
      return take_listener(resource, entry);
    case Kind::Cluster: {
      auto message = TRY(unpack<envoy::config::cluster::v3::Cluster>(resource.body));
      settle_runtime(message, runtime_);
      TRY(named(message.name()));
      entry.next_cluster = TRY(compiler.cluster(message));
      return {};
    }
    case Kind::RouteTable: {
      auto message = TRY(unpack<envoy::config::route::v3::RouteConfiguration>(resource.body));
      settle_runtime(message, runtime_);
      TRY(named(message.name()));
      TRY(check_clusters(message));
      entry.routes = TRY(compiler.route_table(message));
      entry.complete = entry.routes;
      tables_changed_ |= entry.routes->on_demand;
      slots_.route_table(resource.name);
      return {};
    }
    case Kind::Endpoints: {
      auto message = TRY(unpack<envoy::config::endpoint::v3::ClusterLoadAssignment>(resource.body));
      TRY(named(message.cluster_name()));
      entry.endpoints = TRY(compiler.endpoints(message));
      return {};
    }
    case Kind::Secret:
      return take_secret(resource, entry);
    case Kind::VirtualHost: {
      if (resource.name.find('/') == std::string::npos)
        return base::fail(base::ErrorKind::Invalid,
                          "a virtual host's resource is named ROUTE/HOST, not \"" + resource.name + "\"");
      auto message = TRY(unpack<envoy::config::route::v3::VirtualHost>(resource.body));
      settle_runtime(message, runtime_);
      entry.host = TRY(compiler.virtual_host(message));
      tables_changed_ = true;
      return {};
    }
  }
  return {};
}

std::string Configuration::unknown_cluster(const google::protobuf::Message& resource,
                                           const std::function<bool(const std::string& name)>& known) {
  using envoy::config::route::v3::RouteConfiguration;
  std::string out;
  auto look = [&](const std::string& name) {
    if (out.empty() && !name.empty() && !known(name)) out = name;
  };
  each_message(resource, [&](const google::protobuf::Message& message) {
    if (message.GetDescriptor() != RouteConfiguration::descriptor()) return;
    const auto& table = static_cast<const RouteConfiguration&>(message);
    if (!table.validate_clusters().value()) return;
    for (const auto& host : table.virtual_hosts())
      for (const auto& route : host.routes()) {
        look(route.route().cluster());
        for (const auto& weighted : route.route().weighted_clusters().clusters()) look(weighted.name());
        for (const auto& mirror : route.route().request_mirror_policies()) look(mirror.cluster());
      }
  });
  return out;
}

base::Result<void> Configuration::check_clusters(const google::protobuf::Message& resource) const {
  const std::string unknown =
      unknown_cluster(resource, [this](const std::string& name) { return entries(Kind::Cluster).contains(name); });
  if (unknown.empty()) return {};
  return base::fail(base::ErrorKind::Invalid, "route: unknown cluster '" + unknown + "' (validate_clusters)");
}

base::Result<void> Configuration::check(const google::protobuf::Message& message) {
  return check_unread(message, slots_);
}

// A secret that cannot be used is refused while the one before it still serves.
base::Result<void> Configuration::take_secret(const Resource& resource, Entry& entry) {
  auto message = TRY(unpack<envoy::extensions::transport_sockets::tls::v3::Secret>(resource.body));
  if (!message.name().empty() && message.name() != resource.name)
    return base::fail(base::ErrorKind::Invalid,
                      "the resource " + resource.name + " holds one that is named " + message.name());
  TRY(check(message));
  TRY(check_secret(message, resource.name, slots_.tls_specs()));
  entry.secret = std::move(message);
  secrets_changed_ = true;
  return {};
}

base::Result<void> Configuration::take_listener(const Resource& resource, Entry& entry) {
  auto message = TRY(unpack<envoy::config::listener::v3::Listener>(resource.body));
  settle_runtime(message, runtime_);
  if (message.name().empty()) message.set_name(resource.name);
  TRY(check_clusters(message));
  const Listener* before = entry.next_listener ? entry.next_listener.get() : entry.listener.get();
  auto listener = TRY((Compiler{slots_, logs_}.listener(message, before)));
  if (auto it = listener_limits_.find(listener->name); it != listener_limits_.end()) listener->limit = it->second;
  if (listener->bind)
    for (const SocketSpec& spec : listener->sockets) TRY(bind(listener->name, spec));
  entry.next_listener = std::move(listener);
  return {};
}

void Configuration::remove(Kind kind, const std::string& name) {
  Entries& all = mutable_entries(kind);
  auto it = all.find(name);
  if (kind == Kind::Cluster && it->second.cluster && !it->second.cluster->dns_names.empty() && on_dns_cluster)
    on_dns_cluster(name, nullptr);
  if (kind == Kind::Cluster && it->second.cluster && on_cluster) on_cluster(name, nullptr);
  if (kind == Kind::Cluster && it->second.cluster) told_.erase(it->second.cluster->slot);
  if (!it->second.body.empty()) ++changes_[static_cast<size_t>(kind)].removed;
  if (kind == Kind::Listener && it->second.listener) {
    Entry& entry = it->second;
    Told told = entry.serving.body.empty() ? Told{entry.version, std::move(entry.body), entry.updated}
                                           : std::move(entry.serving);
    left_.push_back({name, entry.type_url, std::move(told), entry.listener});
  }
  // Whoever it answered asks again, by whatever name that was.
  const size_t slash = name.rfind('/');
  if (kind == Kind::VirtualHost && slash != std::string::npos)
    if (const Entry* table = find(Kind::RouteTable, name.substr(0, slash)); table && table->complete)
      std::erase_if(demanded_, [&](const std::string& key) {
        return key.starts_with(name.substr(0, slash + 1)) &&
               table->complete->host_for(std::string_view(key).substr(slash + 1)) == it->second.host.get();
      });
  all.erase(it);
  if (kind == Kind::Secret) secrets_changed_ = true;
  if (kind == Kind::VirtualHost || kind == Kind::RouteTable) tables_changed_ = true;
  if (kind == Kind::VirtualHost) demanded_.erase(name);
}

void Configuration::give_up(Kind kind, const std::string& name) {
  if (!given_up_[static_cast<size_t>(kind)].insert(name).second) return;
  settle();
  publish();
  tell_wanted();
}

// By whatever name its resource came.
bool Configuration::has_host(const std::string& key) const {
  const size_t slash = key.rfind('/');
  const Entry* table =
      slash == std::string::npos ? nullptr : find(Kind::RouteTable, std::string_view(key).substr(0, slash));
  return table && table->complete && table->complete->host_for(std::string_view(key).substr(slash + 1));
}

bool Configuration::demand(const std::string& key) {
  // Hosts are for peers to make up: what was never answered must not grow without end.
  constexpr size_t kMostDemanded = 1000;
  if (demanded_.contains(key)) return true;
  const auto unanswered = static_cast<size_t>(
      std::count_if(demanded_.begin(), demanded_.end(), [&](const std::string& one) { return !has_host(one); }));
  if (unanswered >= kMostDemanded) return false;
  demanded_.insert(key);
  tell_wanted();
  return true;
}

void Configuration::forget_demand(const std::string& key) {
  if (!has_host(key) && demanded_.erase(key)) tell_wanted();
}

const Source& Configuration::source(Kind kind, std::string_view name) const {
  if (kind == Kind::VirtualHost && !find(Kind::RouteTable, name)) name = name.substr(0, name.rfind('/'));
  return slots_.source(kind, name);
}

std::set<std::string> Configuration::secret_directories() const {
  std::set<std::string> out;
  auto add = [&](const core::DataSource& from, const core::WatchedDirectory& watched) {
    if (!from.has_filename()) return;
    const size_t slash = from.filename().rfind('/');
    if (!watched.path().empty())
      out.insert(watched.path());
    else
      out.insert(slash == std::string::npos ? "." : slash == 0 ? "/" : from.filename().substr(0, slash));
  };
  for (const auto& [name, entry] : entries(Kind::Secret)) {
    const auto& own = entry.secret.tls_certificate();
    add(own.certificate_chain(), own.watched_directory());
    add(own.private_key(), own.watched_directory());
    for (const core::DataSource& key : entry.secret.session_ticket_keys().keys()) add(key, {});
    const auto& validation = entry.secret.validation_context();
    add(validation.trusted_ca(), validation.watched_directory());
    add(validation.crl(), validation.watched_directory());
  }
  return out;
}

void Configuration::read_secrets_again() {
  secrets_changed_ = true;
  settle();
  publish();
}

// Virtual hosts that come on their own join their tables.
void Configuration::complete_tables() {
  if (!std::exchange(tables_changed_, false)) return;
  for (auto& [name, entry] : mutable_entries(Kind::RouteTable)) {
    if (!entry.routes || !entry.routes->on_demand) continue;
    auto table = std::make_shared<RouteTable>(*entry.routes);
    const std::string prefix = name + "/";
    for (auto it = entries(Kind::VirtualHost).lower_bound(prefix);
         it != entries(Kind::VirtualHost).end() && it->first.starts_with(prefix); ++it) {
      if (!it->second.host) continue;
      if (auto added = table->add(it->second.host); !added)
        base::log::warn("virtual host {} is left out: {}", it->first, added.error().message);
    }
    entry.complete = std::move(table);
  }
}

bool Configuration::ready(const Listener& listener) const {
  for (const auto& [name, slot] : slots_.route_table_names()) {
    if (std::find(listener.route_tables.begin(), listener.route_tables.end(), slot) == listener.route_tables.end())
      continue;
    const Entry* entry = find(Kind::RouteTable, name);
    if ((!entry || !entry->routes) && !given_up(Kind::RouteTable, name)) return false;
  }
  return std::all_of(listener.tls.begin(), listener.tls.end(), [&](Slot slot) {
    if (slot < tls_.size() && tls_[slot]) return true;
    const TlsSpec& spec = slots_.tls_specs()[slot];
    return given_up(Kind::Secret, spec.certificate_secret) || given_up(Kind::Secret, spec.validation_secret) ||
           given_up(Kind::Secret, spec.ticket_keys_secret);
  });
}

void Configuration::settle() {
  build_tls();
  complete_tables();
  for (auto& [name, entry] : mutable_entries(Kind::Cluster)) {
    if (!entry.next_cluster) continue;
    const Cluster& next = *entry.next_cluster;
    const Entry* endpoints_entry =
        next.type == Cluster::Type::Eds ? find(Kind::Endpoints, next.endpoints_name) : nullptr;
    const bool endpoints_known = endpoints_entry && endpoints_entry->endpoints;
    if (next.type == Cluster::Type::Eds && !endpoints_known && !given_up(Kind::Endpoints, next.endpoints_name)) {
      entry.warming = true;
      continue;
    }
    bool dns = !next.dns_names.empty(), was_dns = entry.cluster && !entry.cluster->dns_names.empty();
    entry.cluster = std::move(entry.next_cluster);
    entry.next_cluster.reset();
    entry.warming = false;
    entry.serving = {};
    if ((dns || was_dns) && on_dns_cluster) on_dns_cluster(name, dns ? entry.cluster : nullptr);
    if (on_cluster) on_cluster(name, entry.cluster);
    if (endpoints_known) {
      tell_workers(*entry.cluster, endpoints_entry->endpoints);
    }
  }
  for (auto& [name, entry] : mutable_entries(Kind::Listener)) {
    if (!entry.next_listener) continue;
    entry.warming = !ready(*entry.next_listener);
    if (entry.warming) continue;
    if (entry.listener) left_.push_back({name, entry.type_url, std::exchange(entry.serving, {}), entry.listener});
    entry.listener = std::move(entry.next_listener);
    entry.next_listener.reset();
  }
}

std::vector<const Configuration::Draining*> Configuration::draining() const {
  std::vector<const Draining*> out;
  for (const Draining& one : left_)
    if (!one.listener.expired()) out.push_back(&one);
  return out;
}

std::vector<std::shared_ptr<const Listener>> Configuration::left() {
  std::vector<std::shared_ptr<const Listener>> out;
  std::erase_if(left_, [&](const Draining& one) {
    auto listener = one.listener.lock();
    if (listener) out.push_back(std::move(listener));
    return one.listener.expired();
  });
  return out;
}

void Configuration::publish() {
  free_unused();
  auto config = std::make_shared<RuntimeConfig>();
  config->version = published_->version + 1;
  config->tls = tls_;
  config->clusters.resize(slots_.clusters());
  for (const auto& [name, entry] : entries(Kind::Cluster))
    if (entry.cluster) config->clusters[entry.cluster->slot] = entry.cluster;
  config->route_tables.resize(slots_.route_tables());
  for (const auto& [name, entry] : entries(Kind::RouteTable))
    if (entry.complete) config->route_tables[slots_.route_table(name)] = entry.complete;
  // Connections of listeners that are gone end their requests with the table that they had.
  for (const auto& listener : left())
    for (Slot slot : listener->route_tables)
      if (slot < published_->route_tables.size() && !config->route_tables[slot])
        config->route_tables[slot] = published_->route_tables[slot];
  for (const auto& [name, entry] : entries(Kind::Listener)) {
    if (!entry.listener) continue;
    config->listeners.push_back(entry.listener);
    if (!entry.listener->bind)
      for (const net::Address& address : entry.listener->addresses) config->unbound[address] = entry.listener;
  }
  config->cluster_names = slots_.cluster_names();
  config->counters = slots_.counters();
  published_ = config;
  // While a listener warms, whoever connects to it waits in the kernel.
  std::vector<std::string> opened;
  for (const std::string& key : opened_)
    if (const Entry* entry = find(Kind::Listener, bound_[key].listener); entry && entry->listener)
      opened.push_back(key);
  for (size_t i = 0; i < workers_.size(); ++i) {
    Change change{.config = config};
    for (const std::string& key : handed_on_)
      if (!opened_.contains(key)) change.opened.push_back({key, {}, bound_[key].listener});
    for (const std::string& key : opened) {
      Bound& bound = bound_[key];
      std::vector<int> fds;
      for (size_t at = i; at < bound.fds.size(); at += workers_.size()) fds.push_back(bound.fds[at]);
      change.opened.push_back({key, std::move(fds), bound.listener});
    }
    workers_[i]->post(
        [worker = workers_[i], change = std::move(change)]() mutable { worker->apply(std::move(change)); });
  }
  for (const std::string& key : opened) {
    bound_[key].fds.clear();
    opened_.erase(key);
  }
  handed_on_.clear();
  if (on_published) on_published();
}

// One look at the clusters, however many sets came.
bool Configuration::send_endpoints(std::span<const Resource> changed) {
  std::unordered_map<std::string_view, const std::shared_ptr<const EndpointSet>*> sets;
  for (const Resource& resource : changed)
    if (const Entry* entry = find(Kind::Endpoints, resource.name); entry && entry->endpoints)
      sets[resource.name] = &entry->endpoints;
  bool awaited = false;
  for (const auto& [name, entry] : entries(Kind::Cluster)) {
    if (entry.cluster)
      if (auto set = sets.find(entry.cluster->endpoints_name); set != sets.end())
        tell_workers(*entry.cluster, *set->second);
    awaited |= entry.next_cluster && sets.contains(entry.next_cluster->endpoints_name);
  }
  return awaited;
}

void Configuration::resolved(const std::string& name, std::shared_ptr<const EndpointSet> endpoints) {
  const Entry* entry = find(Kind::Cluster, name);
  if (!entry || !entry->cluster) return;
  tell_workers(*entry->cluster, endpoints);
}

void Configuration::tell_workers(const Cluster& cluster, const std::shared_ptr<const EndpointSet>& told) {
  publish_endpoints(cluster, on_endpoints ? on_endpoints(cluster, told) : told);
}

// The same endpoints, each since when it was among them.
static std::shared_ptr<const EndpointSet> with_ages(const EndpointSet& fresh, const EndpointSet* before) {
  std::unordered_map<net::Address, net::Clock::time_point, AddressHash> known;
  if (before)
    for (const Endpoint& endpoint : before->endpoints) known.emplace(endpoint.address, endpoint.since);
  auto out = std::make_shared<EndpointSet>(fresh);
  const auto now = net::Clock::now();
  for (Endpoint& endpoint : out->endpoints) {
    auto it = known.find(endpoint.address);
    endpoint.since = it == known.end() ? now : it->second;
  }
  return out;
}

void Configuration::publish_endpoints(const Cluster& cluster, std::shared_ptr<const EndpointSet> endpoints) {
  Endpoints& known = told_[cluster.slot];
  if (cluster.slow_start.window.count()) endpoints = with_ages(*endpoints, known.set.get());
  known.set = endpoints;
  ++known.changes;
  for (Worker* worker : workers_)
    worker->post([worker, slot = cluster.slot, endpoints] { worker->set_endpoints(slot, endpoints); });
}

std::shared_ptr<const EndpointSet> Configuration::endpoints_of(const Cluster& cluster) const {
  auto it = told_.find(cluster.slot);
  return it == told_.end() ? cluster.endpoints : it->second.set;
}

uint64_t Configuration::endpoint_changes(const Cluster& cluster) const {
  auto it = told_.find(cluster.slot);
  return (cluster.endpoints ? 1 : 0) + (it == told_.end() ? 0 : it->second.changes);
}

void Configuration::replace_endpoints(const std::string& name, const std::shared_ptr<const EndpointSet>& endpoints) {
  const Entry* entry = find(Kind::Cluster, name);
  if (!entry || !entry->cluster) return;
  publish_endpoints(*entry->cluster, endpoints);
}

void Configuration::drop(Kind kind, const std::string& name) {
  given_up_[static_cast<size_t>(kind)].erase(name);
  const Entry* entry = find(kind, name);
  if (!entry || entry->from != From::ControlPlane) return;
  remove(kind, name);
}

void Configuration::tell_wanted() {
  if (!on_wanted) return;
  std::set<std::string> wanted[kResourceKinds];
  for (const auto& [name, entry] : entries(Kind::Cluster))
    for (const auto& cluster : {entry.cluster, entry.next_cluster})
      if (cluster && cluster->type == Cluster::Type::Eds)
        wanted[static_cast<size_t>(Kind::Endpoints)].insert(cluster->endpoints_name);
  for (const auto& [name, entry] : entries(Kind::Listener))
    for (const auto& listener : {entry.listener, entry.next_listener})
      for (Slot slot : listener ? listener->route_tables : std::vector<Slot>{})
        for (const auto& [table, its_slot] : slots_.route_table_names())
          if (its_slot == slot) wanted[static_cast<size_t>(Kind::RouteTable)].insert(table);
  for (const auto& [name, entry] : entries(Kind::RouteTable)) {
    if (!entry.routes || !entry.routes->on_demand) continue;
    auto& hosts = wanted[static_cast<size_t>(Kind::VirtualHost)];
    hosts.insert(name);  // whatever its server volunteers
    const std::string prefix = name + "/";
    for (auto it = demanded_.lower_bound(prefix); it != demanded_.end() && it->starts_with(prefix); ++it)
      hosts.insert(*it);
  }
  const std::vector<bool> used = tls_in_use({});
  for (size_t i = 0; i < used.size(); ++i) {
    const TlsSpec& spec = slots_.tls_specs()[i];
    for (const std::string* secret : {&spec.certificate_secret, &spec.validation_secret, &spec.ticket_keys_secret})
      if (used[i] && !secret->empty()) wanted[static_cast<size_t>(Kind::Secret)].insert(*secret);
  }
  for (Kind kind : {Kind::Endpoints, Kind::RouteTable, Kind::VirtualHost, Kind::Secret}) {
    auto& known = wanted_[static_cast<size_t>(kind)];
    auto& now = wanted[static_cast<size_t>(kind)];
    if (now == known) continue;
    if (kind == Kind::Endpoints || kind == Kind::RouteTable)
      for (const std::string& name : known)
        if (!now.contains(name)) drop(kind, name);
    known = now;
    on_wanted(kind, now);
  }
}

std::vector<std::pair<std::string, net::Address>> Configuration::bound_addresses() const {
  std::vector<std::pair<std::string, net::Address>> out;
  for (const auto& [key, bound] : bound_) out.emplace_back(bound.listener, bound.address);
  return out;
}

bool Configuration::listeners_ready() const {
  const Entries& all = entries(Kind::Listener);
  return std::all_of(all.begin(), all.end(),
                     [](const auto& entry) { return entry.second.listener || !entry.second.error.empty(); });
}

}  // namespace proxy
