// SPDX-License-Identifier: Apache-2.0
#include "proxy/tcp/tcp_session.h"

#include "base/hash.h"
#include "base/log.h"
#include "proxy/access/tls_facts.h"
#include "proxy/tcp/relay.h"
#include "proxy/upstream/cluster_state.h"
#include "proxy/upstream/proxy_protocol.h"

namespace proxy {
namespace {

using telemetry::Flag;

// How often a connection that lasts is told to Istio's metrics; as Istio's stats filter.
constexpr std::chrono::milliseconds kMetricsInterval{15'000};

// A TCP connection is a request under way on its host, and keeps that there.
class HostUse {
 public:
  HostUse() = default;
  explicit HostUse(Host& host) : host_(&host) { ++host.active; }
  HostUse(HostUse&& other) noexcept : host_(std::exchange(other.host_, nullptr)) {}
  HostUse& operator=(HostUse&& other) noexcept {
    std::swap(host_, other.host_);
    return *this;
  }
  ~HostUse() {
    if (host_) --host_->active;
  }

 private:
  Host* host_ = nullptr;
};

// From the choice of a host until the connection to it stands; the relay does the rest.
class TcpSession final : public Session {
 public:
  TcpSession(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin)
      : Session(worker),
        downstream_(std::move(connection)),
        origin_(std::move(origin)),
        down_(*this),
        up_(*this),
        began_(worker.loop().now()) {
    downstream_->set_handler(down_);
    downstream_->pause_reading();
  }
  ~TcpSession() override { no_longer_pending(); }

  void start() {
    const TcpConfig& config = *origin_->chain->tcp;
    pick_cluster();
    if (config.max_duration.count() > 0) {
      auto jitter = config.max_duration * (config.max_duration_jitter / 100 * (worker().dice().roll() / 4294967296.0));
      deadline_ = began_ + config.max_duration + std::chrono::duration_cast<net::Clock::duration>(jitter);
    }
    if (!cluster_) return fail(Flag::NoClusterFound, "cluster_not_found");
    connect();
  }

  void drain(Drain) override {}
  void sweep(net::Clock::time_point now) override {
    if (deadline_ != net::Clock::time_point{} && now >= deadline_) fail(Flag::DurationTimeout, "max_duration");
  }
  const FilterChain* filter_chain() const override { return origin_ ? origin_->chain.get() : nullptr; }

 private:
  struct Down final : net::Connection::Handler {
    explicit Down(TcpSession& session) : session(session) {}
    void on_data(net::Connection&) override {}
    void on_end(net::Connection&) override {}
    void on_closed(net::Connection&, const base::Error&) override { session.fail(Flag::DownstreamTermination, {}); }
    TcpSession& session;
  };
  struct Up final : net::Connection::Handler {
    explicit Up(TcpSession& session) : session(session) {}
    void on_ready(net::Connection&) override { session.ready(); }
    void on_data(net::Connection&) override {}
    void on_end(net::Connection&) override {}
    void on_closed(net::Connection& connection, const base::Error& error) override {
      session.cluster_->counts.tls.failed(connection.tls_failure());
      session.connect_failed(connection.refusal().empty() ? net::failure_of(error)
                                                          : refused_peer(connection.refusal()));
    }
    TcpSession& session;
  };

  void pick_cluster() {
    if (origin_->chain->cluster_by_server_name && !origin_->server_name.empty()) {
      cluster_ = worker().cluster(worker().config().slot_named(origin_->server_name));
      return;
    }
    const TcpConfig& config = *origin_->chain->tcp;
    uint32_t at = worker().dice().roll() % config.total_weight;
    for (const WeightedTarget& target : config.targets) {
      if (at < target.weight || &target == &config.targets.back()) {
        cluster_ = worker().cluster(target.cluster);
        subset_ = target.subset.get();
        return;
      }
      at -= target.weight;
    }
  }

  void connect() {
    ++attempts_;
    permit_ = {};
    if (!cluster_->config()) return no_host();  // it went while the attempt before was under way
    const Cluster& config = *cluster_->config();
    if (!cluster_->room(Limited::Connections, false)) {
      ++cluster_->counts.connection_overflow;
      return fail(Flag::UpstreamOverflow, {});
    }
    ClusterState::Wish wish{.original = origin_->redirected ? origin_->local : net::Address()};
    wish.subset = subset_;
    if (origin_->chain->tcp->hash_source_ip) wish.hash = base::xx_hash(origin_->remote_ip);
    host_ = cluster_->pick(wish);
    if (!host_) return no_host();
    ++cluster_->counts.pending_total;
    if (!cluster_->take(Limited::Pending, false)) {
      ++cluster_->counts.pending_overflow;
      return fail(Flag::UpstreamRetryLimitExceeded, {});  // as Envoy
    }
    pending_ = true;
    use_ = HostUse(*host_);
    permit_ = cluster_->connection_permit(false, true);
    ++cluster_->counts.connections;
    ++host_->connections_total;
    dialed_ = worker().loop().now();
    upstream_ = std::make_unique<net::Connection>(worker().loop(), up_);
    const Transport& transport = *host_->transport;
    std::shared_ptr<const net::TlsContext> context;
    if (transport.is_tls() &&
        !(context = worker().config().tls_context(transport.tls_tcp != kNone ? transport.tls_tcp : transport.tls)))
      return fail(Flag::UpstreamConnectionFailure, "TLS certificates are not ready");
    auto begun = upstream_->connect(target_of(config, host_->address));
    if (!begun) return connect_failed(begun.error().message);
    if (transport.proxy_protocol != ProxyProtocol::None) {
      const std::string header = proxy_header(transport.proxy_protocol, origin_->remote, origin_->local);
      context ? upstream_->send_before_tls(header) : upstream_->write(header);
    }
    server_name_ = transport.sni_from_endpoint && !host_->hostname.empty() ? host_->hostname : transport.sni;
    if (context && !host_->tls_memory) host_->tls_memory = std::make_shared<net::TlsMemory>();
    if (context) upstream_->start_tls(std::move(context), server_name_, {}, host_->tls_memory);
  }

  void no_host() {
    ++cluster_->counts.none_healthy;
    fail(Flag::NoHealthyUpstream, "no_healthy_upstream");
  }

  void no_longer_pending() {
    if (std::exchange(pending_, false)) cluster_->give_back(Limited::Pending, false);
  }

  void ready() {
    no_longer_pending();
    const Transport& transport = *host_->transport;
    if (const net::TlsPeer* peer = upstream_->tls()) {
      cluster_->counts.tls.handshake(*peer);
      if (transport.check_host && !server_name_.empty() && !carries_host(server_name_, *peer)) return name_refused();
    }
    cluster_->report(*host_, Outcome::TcpConnected);
    ++cluster_->counts.requests;  // as Envoy counts
    cluster_->counts.connect_time.observe(
        std::chrono::duration<double, std::milli>(worker().loop().now() - dialed_).count());
    if (const uint32_t limit = cluster_->config() ? cluster_->config()->buffer_limit : 0) {
      upstream_->set_water_marks(limit / 2, limit);
      upstream_->set_input_limit(limit);
    }
    auto origin = std::shared_ptr<Origin>(std::move(origin_));
    const TcpConfig& config = *origin->chain->tcp;
    ++cluster_->counts.active_connections;
    const bool metrics = worker().options.istio_metrics;
    const auto every = config.log_interval.count() > 0 ? config.log_interval : kMetricsInterval;
    RelayOptions options{
        .idle = config.idle_timeout, .deadline = deadline_, .report_every = every, .chain = origin->chain};
    auto fails = [host = host_->shared] { return host->checked.load(std::memory_order_relaxed) == Checked::Fails; };
    if (host_->shared && host_->config->close_on_health_failure && !fails()) options.lost = std::move(fails);
    options.report = [&worker = worker(), &config, metrics, told = Carried{}, number = host_->workload_number,
                      about = host_->config, cluster = cluster_, host = host_->text,
                      upstream_local = upstream_->local().text(), above = upstream_->tls(), origin, began = began_,
                      tries = attempts_, permit = std::move(permit_),
                      use = std::move(use_)](const RelayEnd& end) mutable {
      telemetry::Record record = record_of(end);
      note_tries(record, tries);
      const Carried before = std::exchange(told, Carried{end.received, end.sent});
      const uint64_t received = end.received - before.received, sent = end.sent - before.sent;
      if (metrics)
        worker.metrics.count(*origin, number, about.get(), record.flags,
                             {.opened = end.begins, .closed = end.final, .received = received, .sent = sent});
      cluster->counts.bytes_received += sent;
      cluster->counts.bytes_sent += received;
      if (!end.final) {
        TcpCounts& counts = worker.tcp_counts(config.stat_prefix);
        counts.received += received;
        counts.sent += sent;
      }
      const bool wanted = end.begins ? config.log_on_connected : end.final || config.log_interval.count() > 0;
      if (!wanted) return;
      if (end.final) {
        --cluster->counts.active_connections;
        ++cluster->counts.connections_ended;
        cluster->counts.connection_length.observe(
            std::chrono::duration<double, std::milli>(worker.loop().now() - began).count());
      }
      record.upstream_host = host;
      record.upstream_local = upstream_local;
      write_tcp_record(worker, *origin, cluster, began, record, {.above = above, .counted = before});
    };
    options.report({.final = false, .begins = true});
    start_relay(worker(), std::move(downstream_), std::move(upstream_), std::move(options));
    bury();
  }

  void name_refused() {
    cluster_->counts.tls.failed(net::TlsFailure::Name);
    connect_failed(refused_peer(kNoExpectedName));
  }

  void connect_failed(std::string_view reason) {
    ++cluster_->counts.connect_failures;
    cluster_->report(*host_, Outcome::ConnectFailed);
    no_longer_pending();
    upstream_->close();
    if (attempts_ < origin_->chain->tcp->connect_attempts) return connect();
    ++cluster_->counts.connect_attempts_exceeded;
    fail(Flag::UpstreamConnectionFailure, reason, Tries::Spent);
  }

  // As Envoy: a connection that was not the first told of those that failed, however it went on.
  static void note_tries(telemetry::Record& record, uint32_t tries) {
    record.attempts = static_cast<uint16_t>(tries);
    if (tries > 1) record.set(Flag::UpstreamConnectionFailure);
  }

  // Spent: there was an attempt, the last of those that may be.
  enum class Tries : uint8_t { Left, Spent };
  void fail(Flag flag, std::string_view reason, Tries tries = Tries::Left) {
    if (buried()) return;
    no_longer_pending();
    telemetry::Record record;
    record.set(flag);
    note_tries(record, attempts_);
    if (tries == Tries::Spent) record.set(Flag::UpstreamRetryLimitExceeded);
    record.transport_failure = reason;
    record.log_type = telemetry::LogType::TcpConnectionEnd;
    if (host_) record.upstream_host = host_->text;
    if (worker().options.istio_metrics)
      worker().metrics.count(*origin_, host_ ? host_->workload_number : 0, cluster_ ? cluster_->config() : nullptr,
                             record.flags, {.opened = true, .closed = true});
    write_tcp_record(worker(), *origin_, cluster_, began_, record);
    downstream_->close();
    if (upstream_) upstream_->close();
    bury();
  }

  std::unique_ptr<net::Connection> downstream_, upstream_;
  std::unique_ptr<Origin> origin_;
  Down down_;
  Up up_;
  ClusterState* cluster_ = nullptr;
  const SubsetCriteria* subset_ = nullptr;  // in the chain
  Host* host_ = nullptr;
  HostUse use_;
  ConnectionPermit permit_;
  std::string server_name_;
  uint32_t attempts_ = 0;
  bool pending_ = false;  // and counted as such
  net::Clock::time_point began_, deadline_{}, dialed_{};
};

}  // namespace

void describe(Worker& worker, const Origin& origin, net::Clock::time_point began, telemetry::Record& record) {
  record.duration = worker.loop().now() - began;
  record.start = worker.wall_clock() - std::chrono::duration_cast<std::chrono::system_clock::duration>(record.duration);
  record.connection_id = origin.id;
  if (origin.chain) record.filter_chain = origin.chain->name;
  record.downstream_local = origin.local_text;
  record.downstream_remote = origin.remote_text;
  record.downstream_direct = origin.direct_text;
  record.peer_uri_san = origin.peer_uri;
  record.tls = origin.tls_on;
  record.mutual_tls = origin.mutual_tls;
  record.server_name = origin.server_name;
}

namespace {

// What a record of a TCP connection asks.
struct Sides {
  const Origin& origin;
  const TcpFacts& facts;
};

std::string find_fact(const void* source, telemetry::Fact fact) {
  using telemetry::Fact;
  const auto& sides = *static_cast<const Sides*>(source);
  if (is_of_upstream_tls(fact)) return tls_fact(sides.facts.above, {}, fact);
  switch (fact) {
    case Fact::TunnelHeaders:
      return std::string(sides.facts.tunnel_headers);
    case Fact::TunnelTrailers:
      return std::string(sides.facts.tunnel_trailers);
    default:
      return origin_fact(sides.origin, fact);
  }
}

bool find_metadata(const void* source, telemetry::MetadataOf whose, std::string_view space,
                   std::span<const std::string> path, base::Json& out) {
  if (whose != telemetry::MetadataOf::Request) return false;
  const base::Json* found = static_cast<const Sides*>(source)->origin.metadata.find(space, path);
  if (found) out = *found;
  return found;
}

void count_end(Worker& worker, const Origin& origin, const telemetry::Record& record, const Carried& counted) {
  TcpCounts& counts = worker.tcp_counts(origin.chain->tcp->stat_prefix);
  counts.received += record.bytes_received - counted.received;
  counts.sent += record.bytes_sent - counted.sent;
  if (record.has(Flag::NoClusterFound)) ++counts.no_route;
  if (record.has(Flag::DurationTimeout)) ++counts.too_long;
  if (record.details == "tcp_session_idle_timeout") ++counts.idle;
}

}  // namespace

void write_tcp_record(Worker& worker, const Origin& origin, ClusterState* cluster, net::Clock::time_point began,
                      telemetry::Record& record, const TcpFacts& facts) {
  const auto& logs = origin.chain->tcp->access_logs;
  const bool end = record.log_type == telemetry::LogType::TcpConnectionEnd;
  if (end) count_end(worker, origin, record, facts.counted);
  const bool of_listener = end && !origin.listener->access_logs.empty();
  if (logs.empty() && !of_listener && !spdlog::should_log(spdlog::level::debug)) return;
  describe(worker, origin, began, record);
  if (cluster && cluster->config()) record.cluster = cluster->config()->name;
  const Sides sides{origin, facts};
  record.source = &sides;
  record.find_fact = &find_fact;
  record.find_metadata = &find_metadata;
  base::ByteMeter &down = record.downstream_wire, &up = record.upstream_wire;
  down.received = record.bytes_received;
  down.sent = record.bytes_sent;
  if (!up.sent && !up.received) {  // nothing was wrapped around them
    up.sent = record.bytes_received;
    up.received = record.bytes_sent;
  }
  if (of_listener) {
    record.log_type = telemetry::LogType::NotSet;
    for (const auto& log : origin.listener->access_logs) worker.log(*log, record);
    record.log_type = telemetry::LogType::TcpConnectionEnd;
  }
  for (const auto& log : logs) worker.log(*log, record);
  record.source = nullptr;  // which is this call's own
  if (end)
    base::log::debug("connection {} from {} to {}: cluster {}, endpoint {}, {} bytes in, {} out, flags {}, {} ms",
                     origin.id, record.downstream_remote, record.downstream_local, record.cluster, record.upstream_host,
                     record.bytes_received, record.bytes_sent, telemetry::flags_text(record.flags),
                     std::chrono::duration_cast<std::chrono::milliseconds>(record.duration).count());
}

void write_connection_record(Worker& worker, const Origin& origin, telemetry::Record& record) {
  static const std::vector<std::shared_ptr<const AccessLog>> kNone;
  const auto& logs = origin.chain && origin.chain->tcp ? origin.chain->tcp->access_logs : kNone;
  if (logs.empty() && origin.listener->access_logs.empty() && !spdlog::should_log(spdlog::level::debug)) return;
  describe(worker, origin, origin.began, record);
  const TcpFacts none;
  const Sides sides{origin, none};
  record.source = &sides;
  record.find_fact = &find_fact;
  record.find_metadata = &find_metadata;
  for (const auto& log : logs) worker.log(*log, record);
  for (const auto& log : origin.listener->access_logs) worker.log(*log, record);
  base::log::debug("connection {} from {} to {} on listener {}: {}, {} bytes in, {} out, {} ms{}{}", origin.id,
                   record.downstream_remote, record.downstream_local, origin.listener->name,
                   telemetry::name(record.protocol), record.bytes_received, record.bytes_sent,
                   std::chrono::duration_cast<std::chrono::milliseconds>(record.duration).count(),
                   record.downstream_failure.empty() ? "" : ": ", base::printable(record.downstream_failure));
}

telemetry::Record record_of(const RelayEnd& end) {
  telemetry::Record record;
  record.bytes_received = end.received;
  record.bytes_sent = end.sent;
  record.log_type = end.final    ? telemetry::LogType::TcpConnectionEnd
                    : end.begins ? telemetry::LogType::TcpUpstreamConnected
                                 : telemetry::LogType::TcpPeriodic;
  if (end.why == RelayEnd::Why::Duration) {
    record.set(Flag::DurationTimeout);
    record.details = "max_duration";
  }
  if (end.why == RelayEnd::Why::Idle) record.details = "tcp_session_idle_timeout";
  if (end.why == RelayEnd::Why::Drained) record.details = "drained";
  if (end.why == RelayEnd::Why::UpstreamReset) record.set(Flag::UpstreamRemoteReset);
  return record;
}

void start_tcp_session(Worker& worker, std::unique_ptr<net::Connection> connection, std::unique_ptr<Origin> origin) {
  ++worker.tcp_counts(origin->chain->tcp->stat_prefix).connections;
  if (origin->chain->tcp->tunnel) return start_tcp_tunnel(worker, std::move(connection), std::move(origin));
  (new TcpSession(worker, std::move(connection), std::move(origin)))->start();
}

}  // namespace proxy
