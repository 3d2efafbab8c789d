// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/any.pb.h"
#include "http/client.h"
#include "xds/server.h"

namespace xds {

// A resource as the server sent it.
struct Offered {
  std::string name;
  std::string version;
  google::protobuf::Any body;
  std::chrono::milliseconds ttl{0};  // to be taken as removed when not heard of for so long; 0: for ever
  bool heartbeat = false;            // nothing but its ttl anew; `body` is empty
};
struct Refused {
  std::string name;
  std::string reason;
};

// The client's end of aggregated discovery, without I/O. It outlives the streams
// it is spoken over: what was wanted is asked for again on each new one, and
// with delta the server is told what is held already, so that a reconnection
// costs only what changed meanwhile.
class ClientSession {
 public:
  // Takes what came; what it refuses is NACKed, by name and reason. What was held under that name stays held.
  using Take = std::function<std::vector<Refused>(std::string_view type_url, std::span<const Offered> changed,
                                                  std::span<const std::string> removed)>;
  using Send = std::function<void(std::string)>;

  ClientSession(Variant variant, envoy::config::core::v3::Node node, Take take)
      : variant_(variant), node_(std::move(node)), take_(std::move(take)) {}

  void want_all(std::string_view type_url);  // all there is: listeners, clusters
  void want(std::string_view type_url, const std::set<std::string>& names);

  // It is not held any more, e.g. because its ttl is over: a new stream asks for it anew.
  void forget(std::string_view type_url, std::string_view name);

  // A stream begins: everything wanted is asked for. Ends the one before.
  void begin(Send send);
  void end() { send_ = nullptr; }
  // One serialized response. An error means that the server does not speak the protocol.
  base::Result<void> receive(std::string_view response);

  Variant variant() const { return variant_; }
  // True once each type that was asked for has been answered at least once.
  bool answered() const;

 private:
  struct Type {
    bool wildcard = false;
    std::set<std::string> names;
    std::map<std::string, std::string> held;  // name -> version; "" where nothing of it was good yet
    std::string version;                      // of the last accepted response (state of the world)
    std::string nonce;                        // of the last response on this stream
    bool asked = false;                       // on this stream
    bool answered = false;                    // on any
  };

  void ask(std::string_view url, Type& type, const std::set<std::string>& added, const std::set<std::string>& dropped);
  void answer(const std::string& url, Type& type, const std::vector<Refused>& refused);
  base::Result<void> receive_sotw(std::string_view response);
  base::Result<void> receive_delta(std::string_view response);
  Type* type_of(const std::string& url);
  std::vector<Refused> take(const std::string& url, Type& type, std::vector<Offered> changed,
                            const std::vector<std::string>& removed);

  const Variant variant_;
  envoy::config::core::v3::Node node_;
  Take take_;
  Send send_;  // empty between streams
  bool node_sent_ = false;
  std::map<std::string, Type, std::less<>> types_;
  std::set<std::string> strange_;  // types that came unasked, as far as they were logged
};

// The name inside a resource: field 1 of every xDS type. Empty: none.
std::string name_of(const google::protobuf::Any& resource);

// Speaks a session to a server, for ever: connects, reads, answers, and after a
// failure connects again with back-off (0.1 s to 10 s, with jitter), which
// begins anew after a stream of 10 s. Whatever the session took stays in force
// meanwhile.
class AdsClient {
 public:
  struct Dial {
    std::unique_ptr<http::Client> client;
    http::Headers metadata;  // e.g. authorization
  };
  using Dialer = std::function<base::Result<Dial>()>;  // called for each attempt; errors count as a failed one

  // `method` is "/package.Service/Method"; empty: aggregated discovery in the session's variant.
  AdsClient(net::Loop& loop, ClientSession& session, Dialer dialer, std::string method = {});
  ~AdsClient();
  AdsClient(const AdsClient&) = delete;

  bool connected() const;
  uint64_t failures() const;

  struct State;  // for the implementation

 private:
  std::shared_ptr<State> state_;
};

}  // namespace xds
