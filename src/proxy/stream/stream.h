// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/loop.h"
#include "proxy/filter/filter.h"
#include "proxy/listener/session.h"
#include "proxy/runtime/worker.h"
#include "proxy/stream/body_path.h"
#include "proxy/stream/sides.h"
#include "telemetry/record.h"

namespace proxy {

struct Multiplexed;
struct Waiting;
class Shadow;

// One HTTP request and its response on their way through the proxy, whatever
// the two protocols are. Pooled per worker: heads and buffers keep their memory.
//
// The life: on_request, filters, route, an attempt or several upstream,
// response, record. `phase_` only goes forward; once it is Done nothing that
// still comes from either side has an effect, and the object is reused no
// earlier than the end of the loop's turn.
class Stream : public Link<Waiting>, public Link<AwaitingHost>, public Link<Multiplexed> {
 public:
  explicit Stream(Worker& worker);
  Stream(const Stream&) = delete;

  // --- from the downstream connection ---
  void begin(Downstream& downstream, const Origin& origin, telemetry::Protocol protocol, uint64_t id);
  // The head stands in `request`. `body` says how its end is known, `end` that there is none.
  void on_request(http::h1::Body body, bool end, bool wants_upgrade);
  // All of the bytes are taken; Downstream::consumed follows when they went on.
  void on_request_data(std::string_view bytes, bool end);
  void on_request_trailers(http::Headers& trailers);
  void on_downstream_writable();
  void on_downstream_reset();  // the peer has gone, or gave this stream up
  // Called about once a second, from the worker: ends what idles.
  void sweep(net::Clock::time_point now);

  // A copy of `original`, whose head is ready to go upstream, towards a mirror's cluster.
  void begin_copy(Downstream& downstream, const Origin& origin, const Stream& original, const Mirror& mirror);

  void abandon();  // the worker ends: what filters remember, and the configuration, goes while all streams are there

  // --- from the upstream side ---
  void on_upstream(Upstream& upstream);  // waited for
  void on_upstream_failed(const Failure& failure);
  // The head stands in `response`.
  void on_response(http::h1::Body body, bool end);
  void on_interim();
  void on_response_data(std::string_view bytes, bool end);
  void on_response_trailers(http::Headers& trailers);
  void on_upstream_writable();

  // --- from the worker, while a virtual host is awaited ---
  void look_for_host_again();  // the configuration is another one
  void give_up_host();         // there is none
  const std::string& awaited_host() const { return awaited_host_; }

  // --- for filters ---
  Worker& worker() const { return worker_; }
  const Origin& origin() const { return *origin_; }
  const VirtualHost* virtual_host() const { return chosen_.host; }
  const Route* route() const { return chosen_.route; }
  const RouteTable* route_table() const { return table_; }
  const WeightedTarget* target() const { return target_; }  // nullptr: not picked yet
  // What the most specific of weighted cluster, route, virtual host and route table says to the
  // filters of that name; nullptr: nothing.
  const Policies::Entry* policy_entry(Slot filter) const {
    if (!chosen_.host || filter == kNone) return table_ ? table_->policies.find(filter) : nullptr;
    if (target_)
      if (auto* entry = target_->policies.find(filter)) return entry;
    if (chosen_.route)
      if (auto* entry = chosen_.route->policies.find(filter)) return entry;
    if (auto* entry = chosen_.host->policies.find(filter)) return entry;
    return table_->policies.find(filter);
  }
  // The same as this filter's own kind of policy; nullptr: its listener's counts.
  template <typename Policy>
  const Policy* policy(const Filter& filter) const {
    const Policies::Entry* entry = policy_entry(filter.slot);
    return entry ? dynamic_cast<const Policy*>(entry->policy.get()) : nullptr;
  }
  // What the filter remembers of this stream, made at the first call. Found again by find_state.
  template <typename State>
  State& state(const Filter& filter) {
    if (State* known = find_state<State>(filter)) return *known;
    states_.emplace_back(&filter, std::make_unique<State>());
    return static_cast<State&>(*states_.back().second);
  }
  template <typename State>
  State* find_state(const Filter& filter) const {
    for (const auto& [owner, state] : states_)
      if (owner == &filter) return static_cast<State*>(state.get());
    return nullptr;
  }
  // The client as far as trusted proxies say so in x-forwarded-for; else the connection's peer.
  net::Address client_address() const;
  // Chooses the route again, after a filter changed what routes look at.
  void clear_route_cache();
  void resume_request();    // after Pause
  void reply(Reply reply);  // instead of going on
  // For a filter that returns Pause: it is asked again then.
  void wait_and_repeat(std::chrono::milliseconds delay);
  std::string& cors_origin() { return cors_origin_; }

  // The endpoint to go to, as long as it is healthy; strictly: to no other.
  void prefer_host(const net::Address& address, bool strictly) {
    preferred_ = address;
    only_preferred_ = strictly;
  }
  // Where the request is bound for, as far as that is settled before the filters end:
  // of several clusters by weight one is chosen here.
  std::optional<std::string_view> target_cluster_name();

  // In on_request, on_response: shows this body to the filter that is being asked.
  // Nothing happens for a message without one.
  void watch_request_body();
  void watch_response_body();
  bool request_bodyless() const { return request_bodyless_; }
  bool response_bodyless() const { return response_bodyless_ || agreed_; }
  // Before the head has gone: how long the body will be, where a filter changes that; nullopt: its end will tell.
  void set_request_length(std::optional<uint64_t> size);
  void set_response_length(std::optional<uint64_t> size);
  // Most bytes that Pause{.gather} keeps; the listener's per_connection_buffer_limit_bytes unless it was set.
  size_t hold_limit() const;
  void set_hold_limit(size_t bytes) { hold_limit_ = bytes; }
  // After Pause for a piece of a body: what waits in front of the filter goes on without another look.
  void resume_request_body(const Filter& filter);
  void resume_response_body(const Filter& filter);
  // The same, but the filter is shown again what waits.
  void show_request_body_again(const Filter& filter);
  void show_response_body_again(const Filter& filter);
  // In on_response: the head stays, and what follows it, until resume_response, or
  // until the filter lets go of a piece of the body.
  void hold_response() { response_held_ = true; }
  void resume_response();
  // The response was made here, not upstream.
  bool replied() const { return replied_; }

  http::RequestHead request;
  http::ResponseHead response;
  std::unique_ptr<http::h1::Spelling> request_spelling, response_spelling;  // as they came; usually none
  telemetry::Record record;
  uint64_t id = 0;                    // its downstream connection's
  uint64_t upstream_id = 0;           // its upstream connection's
  ConnectionPool* awaited = nullptr;  // where it waits for a connection
  Metadata metadata;                  // dynamic: what filters found out

  bool done() const { return phase_ == Phase::Done; }
  bool response_started() const { return response_started_; }
  bool is_grpc() const { return grpc_; }
  // `headers` are this request's or its response's; formats see what is known of both by now.
  void change(http::Headers& headers, const HeaderMutation& mutation);
  void note_record();                                  // into `record`: what of the request a format may ask for
  void became_grpc() { grpc_ = true; }                 // by a filter's hand
  bool head_request() const { return head_request_; }  // the client wants no body
  bool asks_head() const { return asks_head_; }        // and the upstream sends none: not the same after a filter
  // Asks for its bytes to be passed on as they are: by Upgrade, CONNECT or extended CONNECT.
  bool upgrading() const { return upgrade_; }
  bool tunnel() const { return tunnel_; }       // and the upstream agreed
  bool connecting() const { return connect_; }  // by CONNECT, without a protocol
  uint8_t connect_proxy_version() const { return forward_->connect_proxy_version; }
  bool ends_connect() const { return connect_ && forward_ && forward_->ends_connect; }  // TCP upstream, no HTTP
  bool high_priority() const { return forward_ && forward_->high_priority; }
  // The client, as far as its forwarded address is trusted; else the connection's other end.
  std::string_view remote_ip() const { return client_ip_.empty() ? std::string_view(origin_->remote_ip) : client_ip_; }
  uint32_t destination_number() const { return destination_number_; }
  const Cluster* cluster_config() const;  // nullptr: no cluster was chosen
  std::optional<int> grpc_status() const;

 private:
  // Whether the body is kept as it goes upstream, for another try.
  bool keeping() const {
    return (retries_left_ > 0 || (forward_ && forward_->internal_redirects)) && !response_started_;
  }

  // Of its listener; side calls have none.
  HttpCounts& counts() const { return origin_->listener ? *origin_->count.operator->() : worker_.unlisted_counts; }

  friend class Worker;
  enum class Phase : uint8_t { Idle, Filters, Connecting, Streaming, Backoff, Done };

  // facts.cpp: for formats
  static std::optional<std::string_view> find_header(const void* source, telemetry::Message message,
                                                     std::string_view name);
  static std::string find_fact(const void* source, telemetry::Fact fact);
  static bool find_metadata(const void* source, telemetry::MetadataOf whose, std::string_view space,
                            std::span<const std::string> path, base::Json& out);
  // request_head.cpp
  bool prepare_request();  // false: it was answered
  bool find_client();      // likewise
  std::optional<net::Address> forwarded_address(size_t skip, bool& single) const;
  std::optional<net::Address> address_before_proxies(const std::vector<AddressRange>& proxies) const;
  void prepare_forwarded_headers();
  void prepare_client_certificate();
  void prepare_request_id();
  void note_peer();
  enum class Target : uint8_t { Fine, Bad, Elsewhere };  // Elsewhere: the client is to ask for what it is now
  Target settle_target();                                // the request's host and path, as the listener wants them
  bool normalize_target();                               // the same; false: it was answered
  // stream.cpp
  bool shed();
  void run_filters();
  void end_filters();  // what they keep for this stream
  bool filter_is_off(const Filter& filter) const {
    const Policies::Entry* entry = policy_entry(filter.slot);
    return entry ? entry->off : filter.off_by_default;
  }
  void finish();
  void on_request_end();
  void release_upstream();
  bool begin_retry();  // false: the cluster has as many as it may
  void end_retry();
  void count_request();
  // The router's own answer, where the cluster gave none; counted as the cluster's (as Envoy).
  void answer_for_upstream(int status, std::string_view body, std::string_view details);
  bool push_request();
  void report_consumed();
  void push_response(std::string_view bytes, bool end);
  // bodies.cpp
  void request_body_came(std::string_view bytes, bool end, bool trailers);
  void move_request_body();
  void pass_request_body(size_t i, net::Buffer& bytes, bool end);
  bool ask_request_filter(size_t stage);
  void response_body_came(std::string_view bytes, bool end, bool trailers);
  void move_response_body();
  bool ask_response_filter(size_t stage);
  void break_response(Reply answer);
  void run_response_filters();
  void flush_response();
  void complete_response();
  void write_record();
  void write_logs();
  // timers.cpp
  void on_timer();
  void on_try_timeout(std::string_view details);
  void on_route_timeout();
  void on_duration();
  void on_idle();
  net::Clock::time_point try_active() const { return std::max(last_active_, upstream_began_); }
  void arm_timers();
  void start_timeouts(const Forward& forward);
  void tell_timeout();
  void start_duration();
  // router.cpp
  void choose_route();
  void choose_policies();
  Chosen look_up();  // the request's route, as of now
  bool await_host();
  void start_filters();
  void begin_filters();
  bool upgrade_allowed() const;
  void route_request();
  void forward(const Forward& forward);
  void start_mirrors(const Forward& forward);
  Slot slot_of(const WeightedTarget& target) const;
  void choose_target(const Forward& forward);
  const WeightedTarget& pick_target(const Forward& forward);
  void redirect(const Redirect& redirect);
  void start_attempt();
  void send_request_head();
  void prepare_upstream_head(const Forward& forward);
  void rewrite_authority(std::string_view host, const Forward& forward);
  void rewrite_path(const Forward& forward);
  void set_path(std::string path);
  std::optional<uint64_t> hash_of(const Forward& forward);
  void hash_cookie(const HashPolicy& policy, std::optional<uint64_t>& hash);
  void hash_header(const HashPolicy& policy, std::optional<uint64_t>& hash) const;
  void overflow(uint64_t& count);
  void no_host();
  // tunnel.cpp
  void note_tunnel(bool wants_upgrade);
  void complete_handshake();
  // redirect.cpp
  bool follow_redirect();
  bool turn_to_redirect();
  bool may_follow(const InternalRedirects& policy);
  // retry.cpp
  void prepare_retries(const Forward& forward);
  void merge_retry_headers(const Forward& forward);
  bool wants_retry() const;
  bool retry_after_failure(const Failure& failure);
  bool retry_after_response();
  void schedule_retry(net::Clock::duration delay);
  void schedule_retry();
  net::Clock::duration wished_delay() const;  // by the response's rate limit headers; 0: none
  void fail_with(const Failure& failure);
  // reply.cpp
  void send_reply(int status, std::string_view body, std::string_view details);
  void shape_reply(Reply& answer);
  void add_proxy_status(Reply& answer);
  void prepare_response_head(bool from_upstream);  // up to the filters
  void finish_response_head();                     // after them
  void send_response_head(http::h1::Body body, bool end);

  Worker& worker_;
  net::Timer timer_;
  Downstream* downstream_ = nullptr;
  const Origin* origin_ = nullptr;
  ConfigPin* pin_ = nullptr;
  Upstream* upstream_ = nullptr;
  ClusterState* cluster_ = nullptr;
  Host* host_ = nullptr;
  const RouteTable* table_ = nullptr;
  Chosen chosen_;
  const Forward* forward_ = nullptr;
  const WeightedTarget* target_ = nullptr;

  const RetryPolicy* retry_ = nullptr;      // forward_'s, or own_retry_
  std::unique_ptr<RetryPolicy> own_retry_;  // forward_'s with what the request's headers say
  std::vector<Shadow*> shadows_;            // copies that want the body too

  Phase phase_ = Phase::Idle;
  http::h1::Body request_body_;
  bool upgrade_ = false;  // see upgrading()
  bool connect_ = false;
  bool agreed_ = false;  // to the tunnel, by the upstream
  bool tunnel_ = false;  // and that went downstream: from here on bytes are passed on as they are, both ways
  bool routed_ = false;  // the filters let it pass, and there was a route
  bool grpc_ = false;
  bool tells_grpc_timeout_ = false;    // to the upstream, in gRPC's own header
  bool http2_wanted_ = false;          // of the upstream, in this attempt
  bool http2_to_application_ = false;  // said by the Seine proxy before this one
  bool head_request_ = false;
  bool asks_head_ = false;
  bool request_ended_ = false;     // the peer sent all of it
  bool request_sent_ = false;      // and it all went upstream
  bool response_started_ = false;  // a final head went downstream
  bool response_coming_ = false;   // it stands in `response` and is made ready
  bool response_ended_ = false;    // upstream sent all of it
  bool response_sent_ = false;     // and it all went downstream
  bool has_request_trailers_ = false, has_response_trailers_ = false;
  bool body_kept_ = true;           // kept_ holds the whole body so far: a retry is possible
  bool request_head_sent_ = false;  // in this attempt
  bool retry_counted_ = false;      // among the cluster's retries
  bool copy_ = false;               // of another stream: for a mirror
  bool external_ = false;           // comes from outside the mesh (Envoy's edge request)
  bool timed_out_ = false;          // the try before this one
  bool cookie_made_ = false;        // cookie_ is to be set by the response
  uint32_t attempts_ = 0;
  uint32_t retries_left_ = 0;
  uint32_t redirects_ = 0;                                       // followed so far
  std::vector<std::pair<std::string, std::string>> redirected_;  // from and to which route, where that is asked for
  uint32_t destination_number_ = 0;                              // in the worker's metrics
  size_t filter_at_ = 0;
  uint64_t filters_off_ = 0;  // bit by place in the chain: those that this stream passes by
  std::vector<std::pair<const Filter*, std::unique_ptr<FilterState>>> states_;
  size_t response_filter_at_ = 0;  // filters from here on have seen the response's head
  BodyPath request_path_, response_path_;
  http::h1::Body response_body_;
  bool request_bodyless_ = false, response_bodyless_ = false;
  bool response_held_ = false;
  bool replied_ = false;
  size_t hold_limit_ = 0;
  net::Address preferred_;
  bool only_preferred_ = false;
  net::Buffer kept_;               // the request's body as far as it came; for retries and while there is no upstream
  size_t kept_sent_ = 0;           // of kept_, in this attempt
  size_t request_unreported_ = 0;  // bytes to report to the downstream as consumed
  net::Buffer response_left_;      // what the downstream could not take yet
  size_t response_owed_ = 0;       // bytes to report to the upstream as consumed
  http::Headers request_trailers_, response_trailers_;
  std::vector<ClusterState::Try> tried_;
  std::optional<uint64_t> hash_;
  size_t keep_limit_ = 0;  // so much of the body is kept for retries
  Milliseconds route_timeout_{0}, try_timeout_{0}, try_idle_timeout_{0}, idle_timeout_{0};  // 0: none
  net::Clock::time_point started_{}, route_deadline_{}, try_deadline_{}, resume_at_{}, duration_deadline_{},
      request_deadline_{};
  net::Clock::time_point upstream_began_{}, last_active_{};
  std::string cors_origin_, awaited_host_, scratch_, details_, transport_failure_, cluster_name_, upstream_host_,
      upstream_name_, upstream_local_, cookie_, client_ip_, client_text_;
};

// Adds to what a field says already, or adds the field.
void append_to(http::Headers& headers, std::string_view name, std::string_view value, std::string_view separator);

}  // namespace proxy
