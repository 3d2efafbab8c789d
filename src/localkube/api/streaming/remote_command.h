// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "localkube/api/api.h"
#include "net/task.h"

namespace localkube {

using base::Json;

// The client's side of exec and attach, whatever protocol carries it.
class RemoteClient {
 public:
  virtual ~RemoteClient() = default;

  struct Input {
    enum class Kind { Data, End, Resize };
    Kind kind = Kind::Data;
    std::string data;
    int rows = 0;
    int columns = 0;
  };
  virtual net::Task<std::optional<Input>> read() = 0;       // nullopt: the client has gone
  virtual net::Task<bool> send_out(std::string bytes) = 0;  // false: gone
  virtual net::Task<bool> send_err(std::string bytes) = 0;
  virtual net::Task<void> finish(Json status) = 0;  // the status channel, then the end
};

// The metav1.Status that ends exec: Success, or the exit code as kubectl reads it.
Json exit_status(const PodStreams::Process::Exit& exit);

// Joins process and client until both outputs have ended and the exit code is
// known, or the client goes. `attached`: the end is always Success.
net::Task<void> run_remote_command(std::shared_ptr<RemoteClient> client, PodStreams::Process process, bool attached);

// "{"Width":80,"Height":24}"
std::optional<RemoteClient::Input> parse_resize(std::string_view text);

}  // namespace localkube
