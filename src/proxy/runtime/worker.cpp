// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <random>

#include "base/log.h"
#include "proxy/listener/session.h"
#include "proxy/stream/stream.h"
#include "proxy/upstream/connections.h"

namespace proxy {

static constexpr auto kSweepEvery = std::chrono::seconds(1);
static constexpr auto kLogsWithin = std::chrono::milliseconds(200);
static constexpr size_t kLogBlock = 32 * 1024;

Worker::Worker(WorkerOptions worker_options)
    : options(std::move(worker_options)),
      after_turn_(
          loop_, [](void* self) { static_cast<Worker*>(self)->end_of_turn(); }, this),
      sweep_timer_(loop_, [this] { sweep(); }),
      log_timer_(loop_, [this] { flush_logs(); }),
      dice_(std::random_device{}() | uint64_t{std::random_device{}()} << 32),
      pin_(new ConfigPin{.config = std::make_shared<const RuntimeConfig>(), .users = 1}) {}

Worker::~Worker() {
  if (thread_.joinable()) {
    loop_.post([this] {
      sockets_.clear();
      sessions.each([](Session& session) { session.abandon(); });
      flush_logs();
      loop_.stop();
    });
    thread_.join();
  }
  for (auto& stream : pool_) stream->abandon();
  states_.clear();
  grave_.clear();
  clusters_.clear();
  flush_logs();
  if (pin_ && --pin_->users == 0) delete pin_;
}

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("worker-" + std::to_string(options.index)).c_str());
    loop_.run();
  });
}

void Worker::apply(Change change) {
  auto* fresh = new ConfigPin{.config = std::move(change.config), .users = 1};
  ConfigPin* before = std::exchange(pin_, fresh);
  const RuntimeConfig& config = *fresh->config;
  if (config.counters && counters_.size() < config.counters->size()) counters_.resize(config.counters->size());
  if (clusters_.size() < config.clusters.size()) clusters_.resize(config.clusters.size());
  for (Slot slot = 0; slot < clusters_.size(); ++slot) {
    const auto& cluster = slot < config.clusters.size() ? config.clusters[slot] : nullptr;
    if (clusters_[slot]) clusters_[slot]->configure(cluster);
  }
  std::erase_if(early_endpoints_, [&](const auto& early) { return !config.cluster(early.first); });
  for (Change::Socket& opened : change.opened) {
    auto [it, added] = sockets_.try_emplace(opened.address);
    if (added && opened.fds.empty()) {  // it stopped listening meanwhile, for good
      sockets_.erase(it);
      continue;
    }
    Socket& socket = it->second;
    socket.listener_name = opened.listener;
    for (int listening_fd : opened.fds) {
      auto listening = net::Listener::adopt(
          loop_, listening_fd, [this, &socket](int fd, const net::Address& peer) { accepted(socket, fd, peer); });
      if (listening)
        socket.listeners.push_back(std::move(*listening));
      else
        base::log::error("listen on {}: {}", opened.address, listening.error().message);
    }
  }
  for (auto& [address, socket] : sockets_) {
    socket.config = find_listener(socket.listener_name);
    if (socket.config && socket.config->accepts_at_once)
      for (auto& listener : socket.listeners)
        listener->set_accepts_at_once(static_cast<int>(std::min(socket.config->accepts_at_once, 1'000'000u)));
    settle(socket);
  }

  // Connections under filter chains that are no more are asked to go.
  std::unordered_map<const FilterChain*, bool> alive;
  auto note = [&](const Listener& listener) {
    for (const auto& chain : listener.chains) alive[chain.get()] = true;
    if (listener.default_chain) alive[listener.default_chain.get()] = true;
  };
  for (const auto& listener : config.listeners) note(*listener);
  sessions.each([&](Session& session) {
    const FilterChain* chain = session.filter_chain();
    if (chain && !alive.contains(chain)) session.drain(Session::Drain::Gently);
  });
  held_.each([](Stream& stream) { stream.look_for_host_again(); });
  unpin(*before);
}

void Worker::hold(Stream& stream, const std::string& key) {
  held_.push_back(stream);
  if (options.demand_host) options.demand_host(key);
}

void Worker::no_such_host(const std::string& key) {
  held_.each([&](Stream& stream) {
    if (stream.awaited_host() == key) stream.give_up_host();
  });
}

std::shared_ptr<const Listener> Worker::find_listener(std::string_view name) const {
  for (const auto& listener : pin_->config->listeners)
    if (listener->name == name) return listener;
  return nullptr;
}

void Worker::unpin(ConfigPin& pin) {
  if (--pin.users == 0) delete &pin;
}

void Worker::set_endpoints(Slot slot, std::shared_ptr<const EndpointSet> endpoints) {
  if (slot < clusters_.size() && clusters_[slot]) return clusters_[slot]->set_endpoints(std::move(endpoints));
  early_endpoints_[slot] = std::move(endpoints);
}

ClusterState* Worker::cluster(Slot slot) {
  const RuntimeConfig& config = *pin_->config;
  if (slot >= config.clusters.size() || !config.clusters[slot]) return nullptr;
  auto& state = clusters_[slot];
  if (!state) {
    state = std::make_unique<ClusterState>(*this, slot);
    if (auto it = early_endpoints_.find(slot); it != early_endpoints_.end()) {
      state->set_endpoints(std::move(it->second));
      early_endpoints_.erase(it);
    }
    state->configure(config.clusters[slot]);
  }
  return state.get();
}

void Worker::accepted(Socket& socket, int fd, const net::Address& peer) {
  if (!socket.config) {
    ::close(fd);
    return;
  }
  if (options.overload && !socket.config->ignore_overload && overloaded(&OverloadState::reject_connections)) {
    ++listener_counts(socket.config->stat_name).overload;
    ::close(fd);
    return;
  }
  if (!sweep_timer_.armed()) sweep_timer_.arm(kSweepEvery);
  begin_session(*this, socket.config, fd, peer);
}

void Worker::pause_accepting(bool paused) {
  accepting_paused_ = paused;
  for (auto& [address, socket] : sockets_) settle(socket);
}

// Accepts, or leaves peers in the kernel's queue.
void Worker::settle(Socket& socket) {
  const bool pause = !socket.config || (accepting_paused_ && !socket.config->ignore_overload);
  if (pause == socket.paused) return;
  socket.paused = pause;
  for (auto& listener : socket.listeners) pause ? listener->pause() : listener->resume();
}

bool Worker::time_to_close(net::Clock::time_point since) {
  if (asked_ != Asked::Nobody) since = std::min(since, asked_since_);
  if (!options.drain_gradually || draining || options.drain_time.count() == 0) return true;
  const double passed =
      std::chrono::duration<double>(loop_.now() - since) / std::chrono::duration<double>(options.drain_time);
  return dice_.roll() / 4294967296.0 < passed;
}

void Worker::stop_listening(bool only_inbound) {
  std::erase_if(sockets_, [&](const auto& entry) {
    return !only_inbound || (entry.second.config && entry.second.config->inbound);
  });
}

void Worker::ask_to_leave(bool only_inbound) {
  if (asked_ == Asked::Nobody) asked_since_ = loop_.now();
  asked_ = std::max(asked_, only_inbound ? Asked::Inbound : Asked::All);
  sessions.each([&](Session& session) {
    const Listener* listener = session.listener();
    if (listener && leaving(*listener)) session.drain(Session::Drain::Gently);
  });
}

std::vector<std::pair<std::string, int>> Worker::listening() const {
  std::vector<std::pair<std::string, int>> out;
  for (const auto& [key, socket] : sockets_)
    for (const auto& listener : socket.listeners) out.emplace_back(listener->address().text(), listener->fd());
  return out;
}

void Worker::drain_connections() {
  draining = true;
  sessions.each([](Session& session) { session.drain(Session::Drain::Now); });
}

Stream& Worker::new_stream() {
  if (free_streams_.empty()) {
    pool_.push_back(std::make_unique<Stream>(*this));
    return *pool_.back();
  }
  Stream& stream = *free_streams_.back();
  free_streams_.pop_back();
  return stream;
}

void Worker::retire(Stream& stream) {
  dead_streams_.push_back(&stream);
  after_turn_.schedule();
}

void Worker::end_of_turn() {
  free_streams_.insert(free_streams_.end(), dead_streams_.begin(), dead_streams_.end());
  dead_streams_.clear();
  std::vector<std::unique_ptr<Mortal>> dead;
  dead.swap(grave_);
}

void Worker::sweep() {
  auto now = loop_.now();
  sessions.each([&](Session& session) { session.sweep(now); });
  for (size_t i = 0; i < pool_.size(); ++i) pool_[i]->sweep(now);
  bool connected = false;
  for (auto& state : clusters_) {
    if (!state) continue;
    state->sweep(now);
    connected |= state->counts.active_connections > 0;
  }
  // Peak use is over: give most of the pooled streams back.
  if (active_streams == 0 && pool_.size() > 64 && dead_streams_.empty()) {
    free_streams_.clear();
    pool_.clear();
  }
  if (connected || !sessions.empty()) sweep_timer_.arm(kSweepEvery);
}

std::chrono::system_clock::time_point Worker::wall_clock() {
  if (wall_turn_ != loop_.now()) {
    wall_turn_ = loop_.now();
    wall_ = std::chrono::system_clock::now();
  }
  return wall_;
}

HttpCounts& Worker::http_counts(const std::string& listener, const std::string& prefix) {
  for (auto& counts : http_counts_)
    if (counts->prefix == prefix && counts->listener == listener) return *counts;
  http_counts_.push_back(std::make_unique<HttpCounts>(HttpCounts{.listener = listener, .prefix = prefix}));
  return *http_counts_.back();
}

ListenerCounts& Worker::listener_counts(const std::string& listener) {
  for (auto& counts : listener_counts_)
    if (counts->listener == listener) return *counts;
  listener_counts_.push_back(std::make_unique<ListenerCounts>());
  listener_counts_.back()->listener = listener;
  return *listener_counts_.back();
}

TcpCounts& Worker::tcp_counts(const std::string& prefix) {
  for (auto& counts : tcp_counts_)
    if (counts->prefix == prefix) return *counts;
  tcp_counts_.push_back(std::make_unique<TcpCounts>());
  tcp_counts_.back()->prefix = prefix;
  return *tcp_counts_.back();
}

void Worker::log(const AccessLog& log, const telemetry::Record& record) {
  if (!log.filter.takes(record)) return;
  std::string* lines = nullptr;
  for (auto& [file, text] : log_lines_)
    if (file == log.file) lines = &text;
  if (!lines) {
    log_lines_.emplace_back(log.file, std::string());
    lines = &log_lines_.back().second;
  }
  log.format.append_line(record, *lines);
  if (lines->size() >= kLogBlock) return flush_logs();
  if (!log_timer_.armed()) log_timer_.arm(kLogsWithin);
}

void Worker::flush_logs() {
  for (auto& [file, text] : log_lines_) {
    if (text.empty()) continue;
    file->write(text);
    text.clear();
    if (text.capacity() > 2 * kLogBlock) text.shrink_to_fit();
  }
}

}  // namespace proxy
