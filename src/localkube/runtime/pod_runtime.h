// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/runtime/pod.h"

namespace localkube {

// All pods of this node: watches the API for those that were bound to it, and
// serves their logs and sessions.
class PodRuntime final : public PodStreams {
 public:
  explicit PodRuntime(Node& node);

  // Ends when the API tells the truth about pods that an earlier serve left, or
  // after two seconds: a shim that hangs must not keep the API from opening.
  static net::Task<void> looked(PodRuntime* self);

  net::Task<Answer<net::Queue<std::string>>> logs(std::string ns, std::string pod, LogOptions options) override;
  net::Task<Answer<Process>> exec(std::string ns, std::string pod, ExecOptions options) override;
  net::Task<Dialled> dial(std::string ns, std::string pod, uint16_t port) override;
  Answer<std::string> dial_address(std::string_view ns, std::string_view pod, uint16_t port) const override;

 private:
  void on_change(const Change& change);
  void on_source_change(const Change& change);
  void renew_tokens();
  void sweep_directories();
  std::shared_ptr<Pod> find(std::string_view ns, std::string_view name) const;

  Node& node_;
  std::map<std::string, std::shared_ptr<Pod>> pods_;  // by uid
  net::Timer renewal_;
  std::vector<Api::Handle> watches_;
};

}  // namespace localkube
