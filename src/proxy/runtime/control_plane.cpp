// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/control_plane.h"

#include "base/file.h"
#include "base/log.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/runtime/json.h"

namespace proxy {
namespace {

std::optional<Kind> kind_of(std::string_view type_url) {
  for (size_t i = 0; i < kResourceKinds; ++i)
    if (url_of(static_cast<Kind>(i)) == type_url) return static_cast<Kind>(i);
  return std::nullopt;
}

std::string method_of(Kind kind, bool delta) {
  struct Service {
    const char* name;
    const char* plural;
  };
  static constexpr Service kServices[kResourceKinds] = {
      {"envoy.service.listener.v3.ListenerDiscoveryService", "Listeners"},
      {"envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters"},
      {"envoy.service.route.v3.RouteDiscoveryService", "Routes"},
      {"envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints"},
      {"envoy.service.secret.v3.SecretDiscoveryService", "Secrets"},
      {"envoy.service.route.v3.VirtualHostDiscoveryService", "VirtualHosts"},
  };
  const Service& service = kServices[static_cast<size_t>(kind)];
  return std::string("/") + service.name + "/" + (delta ? "Delta" : "Stream") + service.plural;
}

base::Result<envoy::service::discovery::v3::DiscoveryResponse> response_of(const std::string& path,
                                                                           const std::string& bytes) {
  using envoy::service::discovery::v3::DiscoveryResponse;
  if (bytes.empty()) return base::fail(base::ErrorKind::Invalid, "it is empty");
  if (!path.ends_with(".pb")) return message_of<DiscoveryResponse>(bytes, UnknownFields::Refuse);
  DiscoveryResponse out;
  if (!out.ParseFromString(bytes)) return base::fail(base::ErrorKind::Invalid, "no DiscoveryResponse");
  return out;
}

}  // namespace

xds::ClientSession::Take ControlPlane::taker() {
  return [this](std::string_view url, std::span<const xds::Offered> changed, std::span<const std::string> removed) {
    return take(url, changed, removed);
  };
}

ControlPlane::ControlPlane(net::Loop& loop, Configuration& configuration, Options options, xds::AdsClient::Dialer ads)
    : loop_(loop), configuration_(configuration), options_(std::move(options)), watch_(loop), timer_(loop, [this] {
        on_timer();
      }) {
  if (ads)
    ads_ = std::make_unique<Remote>(loop, options_.variant, options_.node, taker(), std::move(ads), std::string());
  if (options_.clusters) want_all(Kind::Cluster, *options_.clusters);
  if (options_.listeners) want_all(Kind::Listener, *options_.listeners);
  configuration_.on_wanted = [this](Kind kind, const std::set<std::string>& names) { want(kind, names); };
  configuration_.tell_wanted();
  watch_secrets();
}

ControlPlane::~ControlPlane() { configuration_.on_wanted = nullptr; }

void ControlPlane::want_all(Kind kind, const Source& source) {
  if (source.type == Source::Type::File) {
    File& from = file(kind, source);
    from.all = true;
    return read(from, true);
  }
  if (source.type == Source::Type::Grpc) return remote(kind, source).session.want_all(url_of(kind));
  if (ads_) ads_->session.want_all(url_of(kind));
}

void ControlPlane::want(Kind kind, const std::set<std::string>& names) {
  std::map<std::string, std::pair<Source, std::set<std::string>>> by_source;
  const auto now = loop_.now();
  std::set<std::string> asked;
  for (const std::string& name : names) {
    if (kind == Kind::Secret) {
      if (options_.own_secret && options_.own_secret(name)) continue;
      const auto& secrets = configuration_.entries(Kind::Secret);
      if (auto it = secrets.find(name); it != secrets.end() && it->second.from == Configuration::From::Bootstrap)
        continue;
    }
    const Source& source = configuration_.source(kind, name);
    auto& [where, wanted] = by_source.try_emplace(source.key(), source, std::set<std::string>()).first->second;
    wanted.insert(name);
    asked.insert(name);
    // A table's own name stands for what its server may volunteer: nobody waits for that.
    const bool waited_for = kind != Kind::VirtualHost || !configuration_.entries(Kind::RouteTable).contains(name);
    if (waited_for && source.initial_fetch.count() > 0 && !asked_[static_cast<size_t>(kind)].contains(name))
      waiting_[{kind, name}] = now + source.initial_fetch;
  }
  auto& before = asked_[static_cast<size_t>(kind)];
  if (kind == Kind::Secret)
    for (const std::string& name : before)
      if (!asked.contains(name)) configuration_.drop(kind, name);
  before = std::move(asked);
  auto names_from = [&](const std::string& key) {
    auto it = by_source.find(key);
    return it == by_source.end() ? std::set<std::string>() : it->second.second;
  };
  for (const auto& [key, source_names] : by_source) {
    if (source_names.first.type == Source::Type::Grpc) remote(kind, source_names.first);
    if (source_names.first.type == Source::Type::File) file(kind, source_names.first);
  }
  if (ads_ && (kind != Kind::VirtualHost || options_.variant == xds::Variant::Delta))
    ads_->session.want(url_of(kind), names_from({}));
  for (auto& [key, one] : remotes_)
    if (key.first == kind) one->session.want(url_of(kind), names_from(key.second));
  std::vector<File*> changed;
  for (auto& [key, one] : files_) {
    if (key.first != kind || one->all) continue;
    auto wanted = names_from(key.second);
    if (wanted == one->names) continue;
    one->names = std::move(wanted);
    changed.push_back(one.get());
  }
  arm();
  for (File* one : changed) read(*one, true);
}

ControlPlane::Remote& ControlPlane::remote(Kind kind, const Source& source) {
  auto& slot = remotes_[{kind, source.key()}];
  if (!slot)
    slot = std::make_unique<Remote>(
        loop_, source.delta ? xds::Variant::Delta : xds::Variant::StateOfTheWorld, options_.node, taker(),
        dialer_to(loop_, configuration_, source.cluster, source.metadata), method_of(kind, source.delta));
  return *slot;
}

ControlPlane::File& ControlPlane::file(Kind kind, const Source& source) {
  auto& slot = files_[{kind, source.key()}];
  if (slot) return *slot;
  slot = std::make_unique<File>(File{.kind = kind, .source = source});
  auto watched = watch_.watch(source.directory, [this, file = slot.get()] { read(*file, false); });
  if (!watched) base::log::error("{}", watched.error().message);
  return *slot;
}

// Why a file's resources are none of this kind; empty: they may be.
static std::string misfit(const envoy::service::discovery::v3::DiscoveryResponse& response, Kind kind) {
  for (const auto& resource : response.resources()) {
    if (resource.type_url() != url_of(kind))
      return "it has a " + resource.type_url() + " where " + std::string(url_of(kind)) + " belong";
    if (xds::name_of(resource).empty()) return "one of its resources has no name";
  }
  return {};
}

void ControlPlane::read(File& file, bool anew) {
  auto bytes = base::read_file(file.source.path);
  if (!bytes) {
    ++file.failures;
    return base::log::warn("{}", bytes.error().message);
  }
  if (!anew && *bytes == file.bytes) return;
  file.bytes = *bytes;
  auto response = response_of(file.source.path, *bytes);
  if (response)
    if (auto why = misfit(*response, file.kind); !why.empty())
      response = base::fail(base::ErrorKind::Invalid, std::move(why));
  if (!response) {
    ++file.failures;
    return base::log::warn("{}: {}; what was there stays", file.source.path, base::printable(response.error().message));
  }
  std::vector<xds::Offered> offered;
  std::set<std::string> present;
  for (auto& resource : *response->mutable_resources()) {
    std::string name = xds::name_of(resource);
    if (!file.all && !file.names.contains(name)) continue;
    present.insert(name);
    offered.push_back({.name = std::move(name), .version = response->version_info(), .body = std::move(resource)});
  }
  std::vector<std::string> removed;
  if (file.all)
    std::set_difference(file.held.begin(), file.held.end(), present.begin(), present.end(),
                        std::back_inserter(removed));
  file.held = std::move(present);
  take(url_of(file.kind), offered, removed);
}

std::vector<xds::Refused> ControlPlane::take(std::string_view url, std::span<const xds::Offered> changed,
                                             std::span<const std::string> removed) {
  std::vector<xds::Refused> refused;
  auto kind = kind_of(url);
  if (!kind) return refused;
  std::vector<Resource> resources;
  resources.reserve(changed.size());
  for (const xds::Offered& offered : changed) {
    if (!waiting_.empty()) waiting_.erase({*kind, offered.name});
    note_ttl(*kind, offered);
    if (!offered.heartbeat) resources.push_back({offered.name, offered.version, offered.body});
  }
  for (const std::string& name : removed) {
    waiting_.erase({*kind, name});
    expiring_.erase({*kind, name});
  }
  constexpr size_t kMostTold = 100;
  for (Rejection& rejection : configuration_.update(*kind, resources, removed)) {
    if (refused.size() < kMostTold)
      base::log::warn("rejected {}: {}", base::printable(rejection.name), base::printable(rejection.reason));
    refused.push_back({std::move(rejection.name), std::move(rejection.reason)});
  }
  if (refused.size() > kMostTold) base::log::warn("rejected {} more", refused.size() - kMostTold);
  base::log::debug("{}: {} changed, {} removed, {} rejected", url.substr(url.rfind('.') + 1), changed.size(),
                   removed.size(), refused.size());
  if (*kind == Kind::Secret) watch_secrets();
  arm();
  return refused;
}

void ControlPlane::note_ttl(Kind kind, const xds::Offered& offered) {
  if (offered.ttl.count() > 0) {
    if (!offered.heartbeat || expiring_.contains({kind, offered.name}))
      expiring_[{kind, offered.name}] = loop_.now() + offered.ttl;
  } else if (!expiring_.empty()) {
    expiring_.erase({kind, offered.name});
  }
}

// Secrets whose bytes are in files are read again as those are replaced.
void ControlPlane::watch_secrets() {
  for (const std::string& directory : configuration_.secret_directories()) {
    if (!watched_secrets_.insert(directory).second) continue;
    auto watched = watch_.watch(directory, [this] { configuration_.read_secrets_again(); });
    if (!watched) base::log::warn("{}", watched.error().message);
  }
}

void ControlPlane::arm() {
  auto next = net::Clock::time_point::max();
  for (const auto* times : {&waiting_, &expiring_})
    for (const auto& [what, when] : *times) next = std::min(next, when);
  if (next == net::Clock::time_point::max()) return timer_.cancel();
  timer_.arm(std::max(next - loop_.now(), net::Clock::duration{}));
}

void ControlPlane::on_timer() {
  const auto now = loop_.now();
  auto due = [&](std::map<Timed, net::Clock::time_point>& times) {
    std::vector<Timed> out;
    std::erase_if(times, [&](const auto& one) {
      if (one.second > now) return false;
      out.push_back(one.first);
      return true;
    });
    return out;
  };
  for (const auto& [kind, name] : due(waiting_)) {
    if (kind == Kind::VirtualHost) {
      configuration_.forget_demand(name);
      continue;
    }
    if (configuration_.entries(kind).contains(name)) continue;
    base::log::warn("{} has not come in time; going on without", base::printable(name));
    configuration_.give_up(kind, name);
  }
  for (const auto& [kind, name] : due(expiring_)) {
    base::log::warn("{} was not confirmed within its ttl and is dropped", base::printable(name));
    if (ads_) ads_->session.forget(url_of(kind), name);
    for (auto& [key, one] : remotes_)
      if (key.first == kind) one->session.forget(url_of(kind), name);
    configuration_.update(kind, {}, std::span(&name, 1));
  }
  arm();
}

uint64_t ControlPlane::failures(Kind kind, std::string_view name) const {
  static const Source kNone;
  const auto& all = kind == Kind::Listener ? options_.listeners : options_.clusters;
  const Source& source = !name.empty() ? configuration_.source(kind, name) : all ? *all : kNone;
  if (source.type == Source::Type::Ads) return ads_ ? ads_->client.failures() : 0;
  const std::pair key{kind, source.key()};
  if (auto it = remotes_.find(key); it != remotes_.end()) return it->second->client.failures();
  auto it = files_.find(key);
  return it == files_.end() ? 0 : it->second->failures;
}

// A secret that does not come keeps back those who need it, not the whole proxy.
bool ControlPlane::answered() const {
  std::chrono::milliseconds patience{0};
  bool for_ever = false;
  for (const auto* source : {&options_.listeners, &options_.clusters}) {
    if (!*source || (*source)->type == Source::Type::File) continue;
    for_ever |= (*source)->initial_fetch.count() == 0;
    patience = std::max(patience, (*source)->initial_fetch);
  }
  if (!for_ever && patience.count() > 0 && loop_.now() - began_ >= patience) return true;
  return (!ads_ || ads_->session.answered()) && std::ranges::all_of(remotes_, [](const auto& one) {
           return one.first.first == Kind::Secret || one.second->session.answered();
         });
}

base::Result<std::unique_ptr<ControlPlane>> ControlPlane::of(net::Loop& loop, const Bootstrap& bootstrap,
                                                             Configuration& configuration) {
  DynamicSources sources = TRY(dynamic_sources(bootstrap));
  Options options{.node = bootstrap.node(), .listeners = sources.listeners, .clusters = sources.clusters};
  xds::AdsClient::Dialer dialer;
  if (const auto& ads = sources.ads) {
    options.variant = ads->delta ? xds::Variant::Delta : xds::Variant::StateOfTheWorld;
    dialer = dialer_to(loop, configuration, ads->cluster, ads->metadata);
  }
  return std::make_unique<ControlPlane>(loop, configuration, std::move(options), std::move(dialer));
}

xds::AdsClient::Dialer dialer_to(net::Loop& loop, const Configuration& configuration, std::string cluster_name,
                                 std::vector<std::pair<std::string, std::string>> metadata) {
  http::Headers headers;
  for (const auto& [name, value] : metadata) headers.add(name, value);
  return [&loop, &configuration, cluster_name = std::move(cluster_name), headers,
          turn = size_t{0}]() mutable -> base::Result<xds::AdsClient::Dial> {
    const auto& clusters = configuration.entries(Kind::Cluster);
    auto it = clusters.find(cluster_name);
    if (it == clusters.end() || !it->second.cluster)
      return base::fail(base::ErrorKind::Unavailable, "cluster " + cluster_name + " is not there");
    const auto cluster = it->second.cluster;
    http::ClientOptions options{.version = http::Version::Http2};
    const size_t now = turn++;
    if (!cluster->dns_names.empty()) {
      const auto& name = cluster->dns_names[now % cluster->dns_names.size()];
      options.host = name.host;
      options.port = name.port;
    } else if (cluster->endpoints && !cluster->endpoints->endpoints.empty()) {
      const auto& endpoints = cluster->endpoints->endpoints;
      const net::Address& address = endpoints[now % endpoints.size()].address;
      options.host = address.is_unix() ? address.text() : address.ip();
      options.port = address.port();
    } else {
      return base::fail(base::ErrorKind::Unavailable, "cluster " + cluster->name + " has no endpoint");
    }
    if (cluster->transport.is_tls()) {
      options.tls = configuration.published().tls_context(cluster->transport.tls);
      if (!options.tls)
        return base::fail(base::ErrorKind::Unavailable, "cluster " + cluster->name + " has no certificates");
      options.server_name = cluster->transport.sni;
    }
    options.connect_timeout = cluster->connect_timeout;
    xds::AdsClient::Dial out{.client = nullptr, .metadata = headers};
    out.client = std::make_unique<http::Client>(loop, std::move(options));
    return out;
  };
}

}  // namespace proxy
