// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/byte_stream.h"
#include "net/task.h"
#include "objects/object.h"

namespace localkube {

// A refusal as the API states it: HTTP code, reason and message of metav1.Status.
struct Refusal {
  int code = 500;
  std::string reason;  // "NotFound", "Conflict", "AlreadyExists", "Invalid", ...
  std::string message;
  objects::Json details;  // metav1.StatusDetails, or null
};
template <typename T>
using Answer = std::expected<T, Refusal>;

struct Change {
  enum class Type { Added, Modified, Deleted };
  Type type;
  objects::Object object;
};

enum class PatchType { Json, Merge, Strategic, Apply };

// The door for what runs inside localkube's own process (controllers, pod
// runtime, DNS): the same admission, defaulting, validation and store as a
// request over HTTPS, without the wire. Lives on one loop; identity is
// system:masters. Namespace "" means none (cluster-scoped) or, in list and
// watch, all. `Resource::version` may be any served version.
class Api {
 public:
  virtual ~Api() = default;

  virtual net::Task<Answer<objects::Object>> create(objects::Resource resource, objects::Object object) = 0;
  // The whole object; metadata.resourceVersion, where set, must be current (409 Conflict).
  virtual net::Task<Answer<objects::Object>> update(objects::Resource resource, objects::Object object) = 0;
  // Only .status is taken from it.
  virtual net::Task<Answer<objects::Object>> update_status(objects::Resource resource, objects::Object object) = 0;
  virtual net::Task<Answer<objects::Object>> patch(objects::Resource resource, std::string ns, std::string name,
                                                   PatchType type, objects::Json patch,
                                                   std::string subresource = {}) = 0;
  // Grace period: nullopt means the kind's default. A pod with a grace period
  // only gets its deletionTimestamp; grace 0 removes it.
  virtual net::Task<Answer<objects::Object>> remove(objects::Resource resource, std::string ns, std::string name,
                                                    std::optional<int> grace_seconds = std::nullopt) = 0;

  // Reads never wait: they see the last acknowledged write.
  virtual std::optional<objects::Object> get(const objects::Resource& resource, std::string_view ns,
                                             std::string_view name) const = 0;
  // The same document as it is stored, shared and not copied; null: not there.
  // Its metadata are those of all versions, the rest is of the stored one.
  virtual std::shared_ptr<const objects::Json> peek(const objects::Resource& resource, std::string_view ns,
                                                    std::string_view name) const = 0;
  // Of a kind, whatever the version; nullopt: none such is served.
  virtual std::optional<objects::Resource> resource_of(std::string_view group, std::string_view kind) const = 0;
  virtual std::vector<objects::Object> list(const objects::Resource& resource, std::string_view ns = {}) const = 0;

  // Calls back for each object there is (Added), then for each change, in order,
  // on the loop, never from within a call of this interface; until the returned
  // handle is destroyed.
  using Handle = std::shared_ptr<void>;
  [[nodiscard]] virtual Handle watch(objects::Resource resource, std::function<void(const Change&)> call) = 0;
};

// What the API server asks of whoever runs the pods, for the pods/ subresources
// log, exec, attach and portforward. Implemented by the pod runtime.
class PodStreams {
 public:
  virtual ~PodStreams() = default;

  struct LogOptions {
    std::string container;
    bool follow = false;
    bool previous = false;
    bool timestamps = false;
    std::optional<int64_t> tail_lines;
    std::optional<int64_t> limit_bytes;
    std::optional<int64_t> since_seconds;  // ago
    std::optional<int64_t> since_time;     // seconds since 1970
  };
  // Pieces of the log; ends with nullopt. Dropping the reader ends a follow.
  virtual net::Task<Answer<net::Queue<std::string>>> logs(std::string ns, std::string pod, LogOptions options) = 0;

  struct ExecOptions {
    std::string container;
    std::vector<std::string> command;  // empty: attach to the main process
    bool in = false, out = false, err = false, tty = false;
  };
  // A process that runs in a container, seen from outside. Queues of output are
  // closed at their end; `exited` is set after both: exit code, or an error
  // sentence if it could not start.
  struct Process {
    net::Queue<std::string> out;
    net::Queue<std::string> err;
    struct Exit {
      int code = 0;
      std::string error;
    };
    net::Oneshot<Exit> exited;
    std::function<void(std::string)> write;  // to its standard input
    std::function<void()> close_input;
    std::function<void(int rows, int columns)> resize;
    std::function<void()> hang_up;  // the client has gone
  };
  virtual net::Task<Answer<Process>> exec(std::string ns, std::string pod, ExecOptions options) = 0;

  // A connection to that port of the pod's loopback, or why there is none.
  using Dialled = base::Result<std::unique_ptr<net::ByteStream>>;
  virtual net::Task<Dialled> dial(std::string ns, std::string pod, uint16_t port) = 0;
  // Where the same can be dialled: "IP:PORT" or "unix:PATH". Who finds nobody there is told nothing.
  virtual Answer<std::string> dial_address(std::string_view ns, std::string_view pod, uint16_t port) const = 0;
};

}  // namespace localkube
