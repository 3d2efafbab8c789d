// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "localkube/api/server.h"
#include "localkube/runtime/environment.h"

namespace localkube {

using IssueToken = std::function<Answer<Token>(const TokenOrder&)>;

// The volumes of one pod, as directories of the state directory.
class Volumes {
 public:
  Volumes(const Api& api, IssueToken issue_token, std::string directory)
      : api_(api), issue_token_(std::move(issue_token)), directory_(std::move(directory)) {}

  // Makes them, or brings their contents up to date. An error names the volume
  // and what it lacks; it may come right later.
  base::Result<void> prepare(const PodFacts& facts);

  std::string path(std::string_view volume) const { return directory_ + "/" + std::string(volume); }
  // What the pod's own mount namespace must have as tmpfs: {path, size}.
  base::Json memory_volumes(const objects::Object& pod) const;
  // When a token must be replaced; never for pods without one.
  std::optional<std::chrono::system_clock::time_point> next_renewal() const;

 private:
  struct Issued {
    std::string text;
    std::chrono::system_clock::time_point renew;
  };
  base::Result<void> prepare_one(const PodFacts& facts, const base::Json& volume);
  base::Result<void> prepare_empty(const PodFacts& facts, const std::string& name);
  base::Result<void> add_token(const PodFacts& facts, const base::Json& source, const std::string& key,
                               struct Projection& out);

  const Api& api_;
  IssueToken issue_token_;
  std::string directory_;
  std::map<std::string, Issued> tokens_;  // by volume and path
};

}  // namespace localkube
