// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/process.h"

#include <malloc.h>
#include <sys/stat.h>

#include <cmath>
#include <future>

#include "base/log.h"
#include "base/memory.h"
#include "proxy/listener/session.h"
#include "proxy/runtime/control_plane.h"
#include "proxy/runtime/local_ip.h"
#include "proxy/stream/peer.h"

namespace proxy {

static constexpr auto kTidyAfter = std::chrono::seconds(1);      // a change of configuration
static constexpr auto kLookAtMemory = std::chrono::seconds(10);  // what connections took may be free again
static constexpr auto kOpenAdminAgain = std::chrono::milliseconds(200);
static constexpr size_t kWorthTidying = 16 << 20;

static std::vector<Worker*> pointers(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::vector<Worker*> out;
  for (const auto& worker : workers) out.push_back(worker.get());
  return out;
}

static std::vector<std::unique_ptr<Worker>> make_workers(const ProcessOptions& options, const Bootstrap& bootstrap) {
  std::vector<std::unique_ptr<Worker>> out;
  const std::string here = local_ip();
  for (unsigned i = 0; i < std::max(1u, options.concurrency); ++i)
    out.push_back(std::make_unique<Worker>(
        WorkerOptions{.index = i,
                      .istio_metrics = options.istio_metrics,
                      .self = options.self,
                      .node_id = options.node_id.empty() ? bootstrap.node().id() : options.node_id,
                      .service_cluster = bootstrap.node().cluster(),
                      .local_ip = here,
                      .peer_metadata = options.istio_metrics ? encode_peer(options.self) : "",
                      .drain_time = options.drain_time,
                      .drain_gradually = options.drain_gradually}));
  return out;
}

Process::Process(net::Loop& loop, ProcessOptions options, Bootstrap bootstrap)
    : loop_(loop),
      options_(std::move(options)),
      bootstrap_(std::move(bootstrap)),
      tidy_(loop, [this] { tidy(); }),
      look_at_memory_(loop, [this] { look_at_memory(); }),
      workers_(make_workers(options_, bootstrap_)),
      configuration_(pointers(workers_)),
      dns_(loop, configuration_),
      health_(loop, configuration_),
      open_admin_(loop, [this] { open_admin(); }),
      stop_(loop, [this] { stop_listening(stop_only_inbound_); }) {
  configuration_.on_cluster = [this](const std::string& name, std::shared_ptr<const Cluster> cluster) {
    health_.set(name, std::move(cluster));
  };
  configuration_.on_endpoints = [this](const Cluster& cluster, std::shared_ptr<const EndpointSet> told) {
    return health_.endpoints(cluster, std::move(told));
  };
  configuration_.on_dns_cluster = [this](const std::string& name, std::shared_ptr<const Cluster> cluster) {
    dns_.set(name, std::move(cluster));
  };
  configuration_.on_published = [this] {
    if (!tidy_.armed()) tidy_.arm(kTidyAfter);
  };
}

void Process::tidy() {
  base::give_back_memory();
  slack_ = base::slack_memory();
}

// Only what has come since the last time is worth it: pages that are in use in part stay.
void Process::look_at_memory() {
  if (base::slack_memory() > slack_ + kWorthTidying) tidy();
  look_at_memory_.arm(kLookAtMemory);
}

Process::~Process() {
  admin_.reset();
  workers_.clear();
}

base::Result<void> Process::start_overload() {
  connections_ = std::make_shared<ConnectionLimit>();
  Overload::Hands hands{.stop_accepting =
                            [this](bool stopped) {
                              for (auto& worker : workers_)
                                worker->post([&worker = *worker, stopped] { worker.pause_accepting(stopped); });
                            },
                        .shrink_heap = [] { malloc_trim(0); }};
  overload_ = TRY(Overload::make(loop_, bootstrap_.overload_manager(), connections_, std::move(hands)));
  for (auto& worker : workers_) {
    if (connections_->limit != UINT64_MAX) worker->options.connection_limit = connections_;
    worker->options.overload = overload_->state();
  }
  return {};
}

base::Result<void> Process::start() {
  if (bootstrap_.has_overload_manager()) TRY(start_overload());
  stats_config_ = TRY(StatsConfig::of(bootstrap_.stats_config()));
  runtime_ = TRY(RuntimeLayers::of(bootstrap_));
  configuration_.set_runtime(runtime_.values());
  configuration_.set_listener_limits(listener_limits_of(runtime_.values()));
  for (auto& worker : workers_) {
    worker->options.demand_host = [&loop = loop_, self = std::weak_ptr(self_)](const std::string& key) {
      loop.post([self, key] {
        if (auto process = self.lock()) (*process)->demand_host(key);
      });
    };
    worker->start();
  }
  look_at_memory_.arm(kLookAtMemory);
  TRY(load_static(bootstrap_, configuration_));
  static_resources_ = bootstrap_.static_resources().SerializeAsString();
  bootstrap_.clear_static_resources();
  if (bootstrap_.has_admin() && bootstrap_.admin().has_address()) {
    admin_ = std::make_unique<Admin>(*this);
    auto listening = admin_->listen(TRY(compile(bootstrap_.admin().address())));
    if (!listening) return base::fail(listening.error().kind, "admin: " + listening.error().message);
    admin_address_ = *listening;
    if (const auto mode = bootstrap_.admin().address().pipe().mode(); mode && chmod(listening->ip().c_str(), mode) != 0)
      return base::fail(base::ErrorKind::Unavailable, "admin: the mode of " + listening->text() + " cannot be set");
  }
  return {};
}

void Process::close_admin() {
  open_admin_.cancel();
  admin_.reset();
}

void Process::open_admin() {
  if (admin_ || !admin_address_.valid()) return;
  auto admin = std::make_unique<Admin>(*this);
  if (admin->listen(admin_address_))
    admin_ = std::move(admin);
  else
    open_admin_.arm(kOpenAdminAgain);  // the process that has it may be about to end
}

Bootstrap Process::whole_bootstrap() const {
  Bootstrap out = bootstrap_;
  if (!static_resources_.empty()) out.mutable_static_resources()->ParseFromString(static_resources_);
  return out;
}

void Process::stop_listening(bool only_inbound) {
  for (auto& worker : workers_)
    worker->post([&worker = *worker, only_inbound] { worker.stop_listening(only_inbound); });
}

void Process::drain_listeners(DrainWish wish) {
  for (auto& worker : workers_) worker->post([&worker = *worker, wish] { worker.ask_to_leave(wish.only_inbound); });
  if (wish.keep_listening) return;
  if (!wish.gracefully) return stop_listening(wish.only_inbound);
  // As Envoy: a drain that is under way is not begun again.
  if (stop_.armed() && (wish.only_inbound || !stop_only_inbound_)) return;
  stop_only_inbound_ = wish.only_inbound;
  stop_.arm(options_.drain_time);
}

void Process::set_unwell(bool unwell) {
  unwell_ = unwell;
  for (auto& worker : workers_) worker->post([&worker = *worker, unwell] { worker.unwell = unwell; });
}

void Process::demand_host(const std::string& key) {
  if (configuration_.demand(key)) return;
  for (auto& worker : workers_) worker->post([&worker = *worker, key] { worker.no_such_host(key); });
}

void Process::retire() {
  draining_ = true;
  for (auto& worker : workers_)
    worker->post([&worker = *worker] {
      worker.retired = true;
      worker.stop_listening(false);
      worker.sessions.each([](Session& session) { session.drain(Session::Drain::Gently); });
    });
}

template <typename Value, typename Ask>
std::vector<Value> Process::ask_workers(Ask ask) const {
  std::vector<Value> out;
  for (const auto& worker : workers_) {
    std::promise<Value> answer;
    auto part = answer.get_future();
    worker->post(
        [worker = worker.get(), &ask, answer = std::move(answer)]() mutable { answer.set_value(ask(*worker)); });
    out.push_back(part.get());
  }
  return out;
}

base::Result<void> Process::change_runtime(std::span<const RuntimeLayers::Change> changes) {
  TRY(runtime_.change(changes));
  configuration_.set_listener_limits(listener_limits_of(runtime_.values()));
  configuration_.change_runtime(runtime_.values());
  ask_workers<bool>([](Worker&) { return true; });  // who is told that it acts finds that it does
  return {};
}

size_t Process::busy() const {
  size_t sum = 0;
  for (size_t part : ask_workers<size_t>([](Worker& worker) { return worker.active_streams + worker.relays; }))
    sum += part;
  return sum;
}

size_t Process::sessions() const {
  size_t sum = 0;
  for (size_t part : ask_workers<size_t>([](Worker& worker) { return worker.session_count; })) sum += part;
  return sum;
}

std::map<std::string, std::vector<int>> Process::listening_sockets() const {
  std::map<std::string, std::vector<int>> out;
  auto parts = ask_workers<std::vector<std::pair<std::string, int>>>([](Worker& worker) { return worker.listening(); });
  for (const auto& part : parts)
    for (const auto& [address, fd] : part) out[address].push_back(fd);
  return out;
}

net::Task<void> Process::drain(std::chrono::milliseconds limit) {
  draining_ = true;
  for (auto& worker : workers_)
    worker->post([&worker = *worker] {
      worker.stop_listening(false);
      worker.drain_connections();
    });
  auto until = loop_.now() + limit;
  co_await net::sleep(loop_, std::chrono::milliseconds(20));
  while (busy() && loop_.now() < until) co_await net::sleep(loop_, std::chrono::milliseconds(20));
}

std::string Process::not_ready() const {
  if (draining()) return "DRAINING";
  const bool told = !control_plane || control_plane->answered();
  return told && configuration_.listeners_ready() ? "" : "PRE_INITIALIZING";
}

// What is the whole process's: its state, what it was told, the endpoints of its clusters.
void Process::collect_process(telemetry::Scrape& sum) const {
  using telemetry::StatName;
  auto gauge = [&](const std::string& name, double value) { sum.gauge(StatName(name), value); };
  auto counter = [&](const std::string& name, uint64_t value) { sum.counter(StatName(name), value); };
  const auto up = std::chrono::steady_clock::now() - started_;
  gauge("server.uptime", static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(up).count()));
  gauge("server.concurrency", static_cast<double>(workers_.size()));
  gauge("server.live", draining() ? 0 : 1);
  // As Envoy numbers them: LIVE, DRAINING, PRE_INITIALIZING, INITIALIZING.
  gauge("server.state", draining() ? 1 : not_ready().empty() ? 0 : 3);
  const struct mallinfo2 memory = mallinfo2();
  gauge("server.memory_allocated", static_cast<double>(memory.uordblks + memory.hblkhd));
  gauge("server.memory_heap_size", static_cast<double>(memory.arena + memory.hblkhd));
  gauge("server.memory_physical_size", static_cast<double>(base::resident_memory()));
  // Whole days; as Envoy, the largest number of 32 bits where there is no certificate.
  double days = UINT32_MAX;
  for (const auto& context : configuration_.published().tls)
    if (context && context->expires()) {
      const auto left = *context->expires() - std::chrono::system_clock::now();
      days = std::min(days, std::floor(std::max(0.0, std::chrono::duration<double, std::ratio<86400>>(left).count())));
    }
  gauge("server.days_until_first_cert_expiring", days);
  if (overload_) {
    for (const auto& level : overload_->pressures())
      gauge("overload." + level.name + ".pressure", std::floor(level.value * 100));
    for (const auto& level : overload_->actions()) {
      gauge("overload." + level.name + ".active", level.value >= 1);
      gauge("overload." + level.name + ".scale_percent", level.value * 100);
    }
  }
  size_t warming[kResourceKinds] = {}, active[kResourceKinds] = {};
  for (Kind kind : {Kind::Cluster, Kind::Listener})
    for (const auto& [name, entry] : configuration_.entries(kind)) {
      warming[static_cast<size_t>(kind)] += entry.warming;
      active[static_cast<size_t>(kind)] += entry.listener || entry.cluster;
    }
  const auto count = [&](Kind kind) { return static_cast<double>(active[static_cast<size_t>(kind)]); };
  gauge("cluster_manager.active_clusters", count(Kind::Cluster));
  gauge("cluster_manager.warming_clusters", static_cast<double>(warming[static_cast<size_t>(Kind::Cluster)]));
  gauge("listener_manager.total_listeners_active", count(Kind::Listener));
  gauge("listener_manager.total_listeners_warming", static_cast<double>(warming[static_cast<size_t>(Kind::Listener)]));
  gauge("listener_manager.total_listeners_draining", static_cast<double>(configuration_.draining().size()));
  gauge("listener_manager.workers_started", 1);
  auto changes = [&](Kind kind, const std::string& before, const std::string& api) {
    const Configuration::Changes& seen = configuration_.changes(kind);
    counter(before + "_added", seen.added);
    counter(before + "_modified", seen.modified);
    counter(before + "_removed", seen.removed);
    if (!seen.version.empty()) sum.text(StatName(api + ".version_text"), seen.version);
    const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(seen.at.time_since_epoch()).count();
    gauge(api + ".update_time", static_cast<double>(at));
  };
  changes(Kind::Cluster, "cluster_manager.cluster", "cluster_manager.cds");
  changes(Kind::Listener, "listener_manager.listener", "listener_manager.lds");
  size_t keys = 0;
  for (const auto& layer : runtime_.layers()) keys += layer.values.size();
  gauge("runtime.num_layers", static_cast<double>(runtime_.layers().size()));
  gauge("runtime.num_keys", static_cast<double>(keys));
  gauge("server.hot_restart_epoch", options_.epoch);
  auto updates = [&](Kind kind, const std::string& api) {
    const uint64_t taken = configuration_.updated(kind), refused = configuration_.rejected(kind);
    const uint64_t failed = control_plane ? control_plane->failures(kind) : 0;
    counter(api + ".update_success", taken);
    counter(api + ".update_rejected", refused);
    counter(api + ".update_failure", failed);
    counter(api + ".update_attempt", taken + refused + failed + (control_plane && control_plane->asks_for_all(kind)));
  };
  updates(Kind::Cluster, "cluster_manager.cds");
  updates(Kind::Listener, "listener_manager.lds");
  if (control_plane) gauge("control_plane.connected_state", control_plane->connected() ? 1 : 0);
  for (const auto& [name, entry] : configuration_.entries(Kind::Cluster)) {
    if (!entry.cluster) continue;
    collect_shared(*entry.cluster, sum);
    auto endpoints = configuration_.endpoints_of(*entry.cluster);
    ClusterShared::Membership members;
    if (entry.cluster->shared && endpoints)
      members = entry.cluster->shared->membership(*endpoints, !entry.cluster->checks.empty());
    auto of_cluster = [&](const char* leaf, size_t value) {
      sum.gauge(StatName(std::string("cluster.{envoy_cluster_name}.") + leaf, {entry.cluster->stat_name}),
                static_cast<double>(value));
    };
    auto told = [&](const char* leaf, uint64_t value) {
      sum.counter(StatName(std::string("cluster.{envoy_cluster_name}.") + leaf, {entry.cluster->stat_name}), value);
    };
    if (entry.cluster->type == Cluster::Type::Eds) {
      const auto& all = configuration_.entries(Kind::Endpoints);
      const std::string& endpoints_name = entry.cluster->endpoints_name;
      const auto it = all.find(endpoints_name);
      const uint64_t taken = it == all.end() ? 0 : it->second.taken, refused = it == all.end() ? 0 : it->second.refused;
      const uint64_t failed = control_plane ? control_plane->failures(Kind::Endpoints, endpoints_name) : 0;
      told("update_success", taken);
      told("update_rejected", refused);
      told("update_failure", failed);
      told("update_attempt", 1 + taken + refused + failed);
    } else if (const DnsClusters::Updates* updates = dns_.updates(name)) {
      told("update_attempt", updates->attempts);
      told("update_success", updates->answers);
      told("update_failure", updates->failures);
      told("update_empty", updates->empty);
    }
    of_cluster("membership_total", members.total);
    of_cluster("membership_healthy", members.healthy);
    of_cluster("membership_degraded", members.degraded);
    of_cluster("membership_excluded", members.excluded);
    sum.counter(StatName("cluster.{envoy_cluster_name}.membership_change", {entry.cluster->stat_name}),
                configuration_.endpoint_changes(*entry.cluster));
  }
}

telemetry::Scrape Process::scrape() const {
  telemetry::Scrape sum;
  for (const auto& worker : workers_) {
    std::promise<telemetry::Scrape> answer;
    auto part = answer.get_future();
    worker->post([worker = worker.get(), answer = std::move(answer)]() mutable {
      telemetry::Scrape counted;
      worker->collect(counted);
      answer.set_value(std::move(counted));
    });
    sum.add(part.get());
  }
  collect_process(sum);
  stats_config_.apply(sum);
  sum.subtract(forgotten_);
  return sum;
}

void Process::reset_counters() {
  telemetry::Scrape now = scrape();
  now.add(forgotten_);
  forgotten_ = std::move(now);
}

net::Task<std::map<std::string, std::vector<Process::HostFacts>>> Process::hosts() {
  using Facts = std::map<std::string, std::vector<HostFacts>>;
  Facts sum;
  std::map<std::string, base::StringMap<size_t>> places;  // by cluster and address, in `sum`
  for (auto& worker : workers_) {
    net::Oneshot<Facts> answer;
    worker->post([worker = worker.get(), &main = loop_, answer]() mutable {
      Facts part;
      const RuntimeConfig& config = worker->config();
      for (Slot slot = 0; slot < config.clusters.size(); ++slot)
        if (config.clusters[slot]) worker->cluster(slot);  // an admin's look may make what traffic would
      worker->each_cluster([&](ClusterState& state) {
        auto& list = part[state.config()->name];
        state.each_host([&](Host& host) {
          HostFacts facts{.address = host.text, .hostname = host.hostname, .workload = host.workload};
          facts.endpoint.address = host.address;
          facts.endpoint.weight = host.weight;
          facts.endpoint.priority = host.priority;
          facts.endpoint.health = host.health;
          facts.requests = host.requests_total;
          facts.failed = host.requests_failed;
          facts.connections_total = host.connections_total;
          facts.connect_failures = host.connect_failures;
          facts.active = host.active;
          facts.connections = host.connections();
          facts.timeouts = host.requests_timed_out;
          facts.pending = host.waiting();
          facts.ejected = host.shared && host.shared->ejected.load(std::memory_order_relaxed);
          if (host.shared && !host.unchecked && !state.config()->checks.empty())
            facts.checked = host.shared->checked.load(std::memory_order_relaxed);
          if (host.shared) facts.success_rate = host.shared->external.success_rate;
          if (host.shared) facts.local_success_rate = host.shared->local.success_rate;
          list.push_back(std::move(facts));
        });
      });
      main.post([answer = std::move(answer), part = std::move(part)]() mutable { answer.set(std::move(part)); });
    });
    Facts part = co_await answer.wait();
    for (auto& [name, list] : part) {
      auto& all = sum[name];
      auto& known = places[name];
      for (HostFacts& facts : list) {
        auto [place, fresh] = known.try_emplace(facts.address, all.size());
        if (fresh) {
          all.push_back(std::move(facts));
          continue;
        }
        HostFacts* same = &all[place->second];
        same->requests += facts.requests;
        same->failed += facts.failed;
        same->connections_total += facts.connections_total;
        same->connect_failures += facts.connect_failures;
        same->active += facts.active;
        same->timeouts += facts.timeouts;
        same->pending += facts.pending;
        same->connections += facts.connections;
        same->ejected |= facts.ejected;
      }
    }
  }
  for (auto& [name, list] : sum) {
    const auto& clusters = configuration_.entries(Kind::Cluster);
    auto entry = clusters.find(name);
    auto endpoints = entry != clusters.end() && entry->second.cluster
                         ? configuration_.endpoints_of(*entry->second.cluster)
                         : nullptr;
    if (!endpoints) continue;
    for (HostFacts& facts : list)
      for (const Endpoint& endpoint : endpoints->endpoints)
        if (endpoint.address == facts.endpoint.address && endpoint.locality < endpoints->localities.size())
          facts.locality = endpoints->localities[endpoint.locality];
  }
  for (auto& [name, list] : sum)
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  co_return sum;
}

}  // namespace proxy
