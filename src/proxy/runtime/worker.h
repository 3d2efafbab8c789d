// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "net/listener.h"
#include "net/loop.h"
#include "proxy/runtime/config.h"
#include "proxy/runtime/http_counts.h"
#include "proxy/runtime/list.h"
#include "proxy/runtime/listener_counts.h"
#include "proxy/runtime/overload_state.h"
#include "proxy/stream/grpc_metrics.h"
#include "proxy/stream/metrics.h"
#include "proxy/stream/sides.h"
#include "proxy/upstream/cluster_state.h"
#include "telemetry/metrics.h"

namespace proxy {

class Session;
class Stream;
struct AllSessions;
struct AwaitingHost;

// A fast, thread-bound source of random numbers for choices (not for secrets).
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed | 1) {}
  uint64_t next() {  // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  uint32_t roll() { return static_cast<uint32_t>(next() >> 32); }

 private:
  uint64_t state_;
};

// Keeps one RuntimeConfig alive on one worker, counted without atomics.
struct ConfigPin {
  std::shared_ptr<const RuntimeConfig> config;
  uint32_t users = 0;
};

// A change for a worker: the configuration, and sockets to open and to hand on.
struct Change {
  struct Socket {
    std::string address;   // as text; the key
    std::vector<int> fds;  // none: those that are there
    std::string listener;  // whose they are from now on
  };
  std::shared_ptr<const RuntimeConfig> config;
  std::vector<Socket> opened;
};

struct WorkerCounts {
  uint64_t connections = 0, connections_closed = 0, http2_keepalive_timeouts = 0;
  uint64_t tls_found = 0, tls_not_found = 0, hello_too_large = 0, sni_found = 0, alpn_found = 0;  // by the inspector
  uint64_t http10_found = 0, http11_found = 0, http2_found = 0, http_not_found = 0;               // and by that of HTTP
};

struct WorkerOptions {
  unsigned index = 0;
  bool istio_metrics = false;
  Workload self;
  std::string node_id;
  std::string service_cluster;  // the node's cluster
  std::string local_ip;         // of this machine, for x-forwarded-for where the hop before is local
  std::string peer_metadata;    // of this proxy, for its peers; empty: none is sent
  std::chrono::milliseconds drain_time{45'000};
  std::shared_ptr<ConnectionLimit> connection_limit;  // of the process; nullptr: none
  std::shared_ptr<const OverloadState> overload;      // nullptr: nobody looks
  std::function<void(const std::string& key)>
      demand_host;               // asks for a virtual host, "<route table>/<host>"; any thread
  bool drain_gradually = false;  // connections of a changed listener: more and more of them as drain_time passes
};

// One thread of the data path: its loop, its listeners, the connections that it
// accepted and those upstream. Nothing in here is touched by another thread;
// others post().
class Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();  // stops and joins
  Worker(const Worker&) = delete;

  void start();
  void post(std::move_only_function<void()> job) { loop_.post(std::move(job)); }

  // --- on the worker's thread ---
  void apply(Change change);
  void set_endpoints(Slot cluster, std::shared_ptr<const EndpointSet> endpoints);
  void stop_listening(bool only_inbound);
  void stop_listening_at(const std::string& address) { sockets_.erase(address); }
  void ask_to_leave(bool only_inbound);  // HTTP connections, with their responses; those that come later too
  std::vector<std::pair<std::string, int>> listening() const;  // address as bound, socket
  void drain_connections();                                    // asks peers to go as their requests end
  void pause_accepting(bool paused);  // peers wait in the kernel's queue; not where a listener ignores overload

  // Whether overload takes this case of an action.
  bool overloaded(std::atomic<uint32_t> OverloadState::* action) {
    return options.overload && OverloadState::takes(*options.overload.*action, dice_.roll());
  }
  // Whether a connection that has been draining since then should close at the end of this request.
  bool time_to_close(net::Clock::time_point draining_since);

  net::Loop& loop() { return loop_; }
  const RuntimeConfig& config() const { return *pin_->config; }
  ConfigPin& pin() {
    ++pin_->users;
    return *pin_;
  }
  void unpin(ConfigPin& pin);
  ClusterState* cluster(Slot slot);  // nullptr: it is not configured
  Dice& dice() { return dice_; }

  void bury(std::unique_ptr<Mortal> body) {
    grave_.push_back(std::move(body));
    after_turn_.schedule();
  }
  // Keeps what nobody else owns, until it is buried by its address.
  void keep(std::unique_ptr<Mortal> body) {
    Mortal* address = body.get();
    kept_.emplace(address, std::move(body));
  }
  void bury_kept(Mortal& body) {
    auto it = kept_.find(&body);
    bury(std::move(it->second));
    kept_.erase(it);
  }
  Stream& new_stream();
  void retire(Stream& stream);  // back to the pool once this turn is over

  // What this worker keeps under a number from Slots::worker_state, whatever
  // comes and goes in the configuration; made by the first who asks.
  template <typename State>
  State& state(Slot slot) {
    if (states_.size() <= slot) states_.resize(slot + 1);
    if (!states_[slot]) states_[slot] = std::make_unique<State>(*this);
    return static_cast<State&>(*states_[slot]);
  }
  // One more of what Slots::counter named; kNone counts nothing.
  void count(Slot counter) {
    if (counter < counters_.size()) ++counters_[counter];
  }
  // The stream waits for a virtual host that its table does not have, until it calls itself off.
  void hold(Stream& stream, const std::string& key);
  void no_such_host(const std::string& key);

  void log(const AccessLog& log, const telemetry::Record& record);
  std::chrono::system_clock::time_point wall_clock();  // of this turn

  List<Session, AllSessions> sessions;
  size_t session_count = 0;
  size_t active_streams = 0;
  bool draining = false;
  bool retired = false;  // another process accepts
  bool unwell = false;   // by an operator's word: health checks fail, and HTTP connections close after a response
  bool leaving() const { return draining || retired; }
  bool leaving(const Listener& listener) const {
    return leaving() || asked_ > (listener.inbound ? Asked::Nobody : Asked::Inbound);
  }
  size_t relays = 0;  // TCP connections that are copied
  WorkerCounts counts;
  HttpCounts& http_counts(const std::string& listener, const std::string& prefix);
  ListenerCounts& listener_counts(const std::string& listener);
  TcpCounts& tcp_counts(const std::string& prefix);
  HttpCounts unlisted_counts;  // of filters' own calls; shown nowhere
  RequestMetrics metrics;
  GrpcMetrics grpc_metrics;
  WorkerOptions options;  // constant once started

  // What this worker counted since it began.
  void collect(telemetry::Scrape& scrape);
  template <typename Call>
  void each_cluster(Call call) {
    for (auto& state : clusters_)
      if (state && state->config()) call(*state);
  }

 private:
  struct Socket {
    std::vector<std::unique_ptr<net::Listener>> listeners;  // more than one where another process had more workers
    std::string listener_name;
    std::shared_ptr<const Listener> config;  // nullptr: it is yet to come, and peers wait
    bool paused = false;
  };
  void settle(Socket& socket);
  void accepted(Socket& socket, int fd, const net::Address& peer);
  void end_of_turn();
  void sweep();
  void flush_logs();
  std::shared_ptr<const Listener> find_listener(std::string_view name) const;

  std::vector<uint64_t> counters_;               // by slot
  std::vector<std::unique_ptr<Mortal>> states_;  // by slot
  net::Loop loop_;
  std::thread thread_;
  net::Deferred after_turn_;
  net::Timer sweep_timer_;
  net::Timer log_timer_;
  Dice dice_;
  ConfigPin* pin_;
  List<Stream, AwaitingHost> held_;                      // for a virtual host to come
  std::vector<std::unique_ptr<ClusterState>> clusters_;  // by slot
  std::unordered_map<Slot, std::shared_ptr<const EndpointSet>> early_endpoints_;
  std::unordered_map<std::string, Socket> sockets_;
  bool accepting_paused_ = false;
  enum class Asked : uint8_t { Nobody, Inbound, All } asked_ = Asked::Nobody;
  net::Clock::time_point asked_since_{};
  std::vector<std::unique_ptr<Mortal>> grave_;
  std::unordered_map<Mortal*, std::unique_ptr<Mortal>> kept_;
  std::vector<std::unique_ptr<Stream>> pool_;
  std::vector<Stream*> free_streams_, dead_streams_;
  std::vector<std::pair<std::shared_ptr<LogFile>, std::string>> log_lines_;
  std::vector<std::unique_ptr<HttpCounts>> http_counts_;
  std::vector<std::unique_ptr<ListenerCounts>> listener_counts_;
  std::vector<std::unique_ptr<TcpCounts>> tcp_counts_;
  std::chrono::system_clock::time_point wall_;
  net::Clock::time_point wall_turn_{};
};

// What the process counts of a cluster, whichever worker it was.
void collect_shared(const Cluster& cluster, telemetry::Scrape& scrape);

}  // namespace proxy
