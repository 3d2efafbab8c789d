// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "net/loop.h"
#include "objects/object.h"

namespace localkube {

// How one container of a pod stands. Values only: what is decided from them and
// what the API shows of them are pure functions.
struct ContainerAccount {
  enum class Role { Init, Sidecar, Main };
  enum class Phase { Waiting, Running, Exited };

  Role role = Role::Main;
  std::string name;
  base::Json spec;

  Phase phase = Phase::Waiting;
  std::string reason;  // of waiting or of the exit
  std::string message;
  bool ever_started = false;
  int attempt = 0;  // 0 the first time: the restart count
  int code = 0;
  int64_t started_ms = 0;
  int64_t finished_ms = 0;
  int ended_attempt = -1;  // the latest whose end was noted
  base::Json last;         // the end of the attempt before, as status shows it; or null
  bool started = false;    // past its startup probe
  bool ready = false;
  std::string image_id;

  net::Clock::time_point not_before{};  // of the next start
  std::chrono::seconds back_off{0};     // that led to it
};

struct PodAccount {
  std::vector<ContainerAccount> containers;  // in the order of the spec, initContainers first
  std::string restart_policy = "Always";
  std::string address;
  std::string start_time;  // RFC 3339, empty until the node took it
  bool sandbox = false;
  bool initialized = false;                                               // the main containers were let go once
  std::string final_phase;                                                // "Succeeded" or "Failed"
  std::string reason, message;                                            // of the pod itself, e.g. "DeadlineExceeded"
  std::map<std::string, std::pair<std::string, std::string>> conditions;  // type -> {status, since}
};

PodAccount account_of(const objects::Object& pod);

// What is to be done now.
struct Decision {
  std::vector<size_t> start;  // containers, in this order
  bool stop_sidecars = false;
  std::string final_phase;  // all has ended for good
  std::optional<net::Clock::time_point> look_again;
};
Decision decide(const PodAccount& account, net::Clock::time_point now);

// Notes that a container has ended, and how long it must wait if it is to start again.
struct Exit {
  int code = 0;
  int64_t finished_ms = 0;
  std::string reason;  // empty: by the code
  std::string message;
};
// Whether the latest attempt has ended, not the one before.
bool has_ended(const ContainerAccount& container);
void note_exit(PodAccount& account, ContainerAccount& container, const Exit& exit, net::Clock::time_point now);

// pod.status. Keeps the times of conditions that did not change.
base::Json status_of(const objects::Object& pod, PodAccount& account, std::string_view host_ip);

std::string time_text_of_ms(int64_t ms);

}  // namespace localkube
