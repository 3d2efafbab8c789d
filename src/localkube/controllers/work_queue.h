// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/task.h"

namespace localkube {

// Keys whose objects have to be looked at. Each is worked on by one coroutine
// at a time, however often it was added: again if that happened meanwhile, later
// and later while the work fails. Different keys do not wait for each other.
class WorkQueue {
 public:
  using Work = std::function<net::Task<bool>(std::string key)>;  // false: it did not succeed
  WorkQueue(net::Loop& loop, Work work);
  WorkQueue(const WorkQueue&) = delete;

  void add(const std::string& key);
  void add_after(const std::string& key, net::Clock::duration delay);  // no later than asked before

 private:
  static net::Task<void> run(WorkQueue* self, std::string key);
  void begin();
  void on_time();

  net::Loop& loop_;
  Work work_;
  std::deque<std::string> order_;
  std::set<std::string> waiting_;  // those in order_
  std::set<std::string> busy_;
  std::set<std::string> again_;  // busy and added meanwhile
  std::map<std::string, int> failures_;
  std::map<std::string, net::Clock::time_point> later_;
  net::Timer timer_;
  bool begun_ = false;
};

// "ns/name" and back.
std::string key_of(std::string_view ns, std::string_view name);
std::pair<std::string, std::string> names_of_key(std::string_view key);

}  // namespace localkube
