// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/message.h"
#include "proxy/listener/session.h"
#include "proxy/route/route.h"
#include "proxy/stream/sides.h"

namespace proxy {

// Where a filter's own calls go, compiled with the filter: a cluster and how
// long an answer may take. Immutable, shared by all threads.
class SideTarget {
 public:
  struct Options {
    Slot cluster = kNone;
    std::chrono::milliseconds timeout{5'000};  // of the whole call; 0: none
    std::optional<RetryPolicy> retry;
  };
  static std::shared_ptr<const SideTarget> make(Options options);

 private:
  friend class SideCall;
  HttpConfig http_;
};

// What came of a side call.
struct SideAnswer {
  bool arrived = false;  // a response of the cluster's; else none came: no host, refused, reset, too late, too large
  int status = 0;        // HTTP; the one that the proxy would have answered where nothing arrived
  http::Headers headers, trailers;
  std::string body;      // gRPC: the one message, without its frame
  int grpc_status = -1;  // gRPC: of the trailers; 14 (unavailable) where nothing arrived, 4 where it was too late
  std::string grpc_message;
};

// One HTTP request, or one unary gRPC call, that a filter makes through a
// configured cluster while its stream waits: load balancing, connections, TLS,
// circuit breakers, retries and timeouts are those of any stream. On the
// worker's thread.
//
// Keep it in the filter's FilterState: when it is destroyed, the call is
// cancelled and `done` does not come. Before it is asked for again, the one
// before must be done.
//
//   State& state = stream.state<State>(*this);   // struct State : FilterState { std::optional<SideCall> call; };
//   state.call.emplace(stream.worker());
//   state.call->send(target_, request, [&stream](SideAnswer& answer) { ...; stream.resume_request(); });
//   return Pause{};
class SideCall final : private Downstream {
 public:
  explicit SideCall(Worker& worker)
      : worker_(worker), deliver_(worker.loop(), [](void* self) { static_cast<SideCall*>(self)->deliver(); }, this) {}
  ~SideCall() { cancel(); }
  SideCall(const SideCall&) = delete;

  using Done = std::move_only_function<void(SideAnswer& answer)>;
  // `done` is called once, never from within this call; it may destroy this object's owner.
  void send(std::shared_ptr<const SideTarget> target, const http::Request& request, Done done);
  // `path` is "/package.Service/Method", `message` serialized; `metadata` goes as headers.
  void call(std::shared_ptr<const SideTarget> target, std::string_view authority, std::string_view path,
            std::string_view message, const http::Headers& metadata, Done done);
  void cancel();
  bool busy() const { return done_ != nullptr; }

  // Longer bodies are not taken: nothing arrived.
  static constexpr size_t kMostBody = 4u << 20;

 private:
  void send_head(Stream& stream, const http::ResponseHead& head, http::h1::Body body, bool end) override;
  void send_interim(Stream&, const http::ResponseHead&) override {}
  size_t send_data(Stream& stream, std::string_view bytes, bool end) override;
  void send_trailers(Stream& stream, const http::Headers& trailers) override;
  void abort(Stream& stream) override;
  void consumed(Stream&, size_t) override {}
  void released(Stream& stream) override;
  void begin(telemetry::Protocol protocol, const http::Request& request, Done done);
  void read_grpc();
  void deliver();

  Worker& worker_;
  std::shared_ptr<const SideTarget> target_;
  Origin origin_;
  Stream* stream_ = nullptr;  // until it is released
  SideAnswer answer_;
  bool grpc_ = false;
  bool failed_ = false;
  bool too_late_ = false;
  Done done_;
  net::Deferred deliver_;
};

}  // namespace proxy
