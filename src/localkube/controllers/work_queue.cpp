// SPDX-License-Identifier: Apache-2.0
#include "localkube/controllers/work_queue.h"

#include <algorithm>

namespace localkube {

static constexpr std::chrono::milliseconds kFirstRetry{20};
static constexpr size_t kMostInOneTurn = 32;  // others of the loop come between
static constexpr int kMostDoublings = 9;      // about ten seconds

WorkQueue::WorkQueue(net::Loop& loop, Work work)
    : loop_(loop), work_(std::move(work)), timer_(loop, [this] { on_time(); }) {}

void WorkQueue::add(const std::string& key) {
  if (busy_.contains(key)) {
    again_.insert(key);
    return;
  }
  if (!waiting_.insert(key).second) return;
  order_.push_back(key);
  if (std::exchange(begun_, true)) return;
  // Later in this turn, so that several changes of one object are one piece of work.
  loop_.post([this] { begin(); });
}

void WorkQueue::begin() {
  begun_ = order_.size() > kMostInOneTurn;
  auto end = order_.begin() + static_cast<ptrdiff_t>(std::min(order_.size(), kMostInOneTurn));
  std::vector<std::string> now(std::move_iterator(order_.begin()), std::move_iterator(end));
  order_.erase(order_.begin(), end);
  if (begun_) loop_.post([this] { begin(); });
  for (std::string& key : now) {
    waiting_.erase(key);
    busy_.insert(key);
    net::spawn(run(this, std::move(key)));
  }
}

void WorkQueue::add_after(const std::string& key, net::Clock::duration delay) {
  auto when = net::Clock::now() + delay;
  auto [at, fresh] = later_.try_emplace(key, when);
  if (!fresh) at->second = std::min(at->second, when);
  auto first =
      std::min_element(later_.begin(), later_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  timer_.arm(std::max<net::Clock::duration>(first->second - net::Clock::now(), std::chrono::milliseconds(1)));
}

void WorkQueue::on_time() {
  auto now = net::Clock::now();
  std::vector<std::string> due;
  for (auto at = later_.begin(); at != later_.end();) {
    if (at->second > now) {
      ++at;
      continue;
    }
    due.push_back(at->first);
    at = later_.erase(at);
  }
  for (const std::string& key : due) add(key);
  if (later_.empty()) return;
  auto first =
      std::min_element(later_.begin(), later_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  timer_.arm(first->second - now);
}

net::Task<void> WorkQueue::run(WorkQueue* self, std::string key) {
  bool done = co_await self->work_(key);
  self->busy_.erase(key);
  if (done) {
    self->failures_.erase(key);
  } else {
    int failures = std::min(self->failures_[key]++, kMostDoublings);
    self->add_after(key, kFirstRetry * (1 << failures));
  }
  if (self->again_.erase(key)) self->add(key);
}

std::string key_of(std::string_view ns, std::string_view name) { return std::string(ns) + "/" + std::string(name); }

std::pair<std::string, std::string> names_of_key(std::string_view key) {
  size_t slash = key.find('/');
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

}  // namespace localkube
