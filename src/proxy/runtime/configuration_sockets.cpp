// SPDX-License-Identifier: Apache-2.0
// The listening sockets of a configuration: opened, handed on from listener to listener, let go.
#include <unistd.h>

#include <algorithm>
#include <future>

#include "base/log.h"
#include "proxy/listener/socket.h"
#include "proxy/runtime/configuration.h"

namespace proxy {

static std::string bound_key(const std::string& listener, const net::Address& address) {
  return address.port() || address.is_unix() ? address.text() : listener + " " + address.text();
}

static bool uses(const std::shared_ptr<const Listener>& listener, const std::string& key) {
  return listener && listener->bind &&
         std::any_of(listener->addresses.begin(), listener->addresses.end(),
                     [&](const net::Address& address) { return bound_key(listener->name, address) == key; });
}

// Whether it needs that address once this update is settled.
bool Configuration::holds(const std::string& listener, const std::string& key) {
  const Entry* entry = find(Kind::Listener, listener);
  if (!entry) return false;
  if (uses(entry->next_listener, key)) return true;
  build_tls();
  return uses(entry->listener, key) && (!entry->next_listener || !ready(*entry->next_listener));
}

// Sockets pass from a listener to its successor as they listen, with whoever waits in them; only where they have to be
// opened in another way those end.
base::Result<void> Configuration::bind(const std::string& listener, const SocketSpec& spec) {
  const std::string key = bound_key(listener, spec.address);
  auto it = bound_.find(key);
  if (it == bound_.end()) return open(listener, key, spec);
  Bound& bound = it->second;
  if (bound.listener != listener && holds(bound.listener, key))
    return base::fail(base::ErrorKind::Conflict, "error adding listener: '" + listener + "' has duplicate address '" +
                                                     key + "' as existing listener");
  if (bound.spec == spec) {
    if (bound.listener != listener) handed_on_.insert(key);
    bound.listener = listener;
    return {};
  }
  const bool own = bound.listener == listener;
  const SocketSpec before = bound.spec;
  let_go(key);
  auto opened = open(listener, key, spec);
  if (!opened && own)
    if (auto again = open(listener, key, before); !again) base::log::error("{}", again.error().message);
  return opened;
}

base::Result<void> Configuration::open(const std::string& listener, const std::string& key, const SocketSpec& spec) {
  await_closing();
  auto inherited = inherit ? inherit(spec.address) : std::vector<int>();
  auto fds = TRY(open_listening(spec, static_cast<unsigned>(workers_.size()), std::move(inherited)));
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  getsockname(fds[0], reinterpret_cast<sockaddr*>(&name), &size);
  const net::Address address = net::Address::of(reinterpret_cast<sockaddr*>(&name), size);
  bound_[key] = {.listener = listener, .spec = spec, .address = address, .fds = std::move(fds)};
  base::log::info("listener {} at {}", base::printable(listener), address.text());
  opened_.insert(key);
  return {};
}

// Returns when the address is free.
void Configuration::let_go(const std::string& key) {
  for (int fd : bound_[key].fds) close(fd);
  opened_.erase(key);
  handed_on_.erase(key);
  bound_.erase(key);
  for (Worker* worker : workers_) worker->post([worker, key] { worker->stop_listening_at(key); });
  closing_ = true;
}

// What workers were told to close is closed once each has had a turn.
void Configuration::await_closing() {
  if (!std::exchange(closing_, false)) return;
  for (Worker* worker : workers_) {
    std::promise<void> done;
    auto over = done.get_future();
    worker->post([done = std::move(done)]() mutable { done.set_value(); });
    over.wait();
  }
}

bool Configuration::unused(const std::string& key, const Bound& bound) const {
  const Entry* entry = find(Kind::Listener, bound.listener);
  return !entry || (!uses(entry->listener, key) && !uses(entry->next_listener, key));
}

bool Configuration::any_unused() const {
  return std::any_of(bound_.begin(), bound_.end(), [&](const auto& one) { return unused(one.first, one.second); });
}

// Sockets whose listener is gone, or is elsewhere now.
void Configuration::free_unused() {
  std::vector<std::string> keys;
  for (const auto& [key, bound] : bound_)
    if (unused(key, bound)) keys.push_back(key);
  for (const std::string& key : keys) let_go(key);
}

}  // namespace proxy
