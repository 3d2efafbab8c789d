// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "proxy/filter/policy.h"
#include "proxy/route/match.h"
#include "proxy/route/metadata.h"
#include "proxy/route/mutation.h"
#include "proxy/route/rate_limit.h"

namespace proxy {

using Milliseconds = std::chrono::milliseconds;

class SubsetCriteria;

// When a failed try is tried again, and how often.
struct RetryPolicy {
  // A response header that says when to come back.
  struct ResetHeader {
    std::string name;
    bool unix_time = false;  // else seconds from now
  };
  enum On : uint32_t {
    k5xx = 1u << 0,
    kGatewayError = 1u << 1,
    kReset = 1u << 2,
    kConnectFailure = 1u << 3,
    kRefusedStream = 1u << 4,
    kRetriable4xx = 1u << 5,
    kRetriableStatusCodes = 1u << 6,
    kRetriableHeaders = 1u << 7,
    kEnvoyRatelimited = 1u << 8,
    kGrpcCancelled = 1u << 9,
    kGrpcDeadlineExceeded = 1u << 10,
    kGrpcInternal = 1u << 11,
    kGrpcResourceExhausted = 1u << 12,
    kGrpcUnavailable = 1u << 13,
    kResetBeforeRequest = 1u << 14,
  };
  uint32_t on = 0;
  uint32_t retries = 1;
  Milliseconds per_try_timeout{0};           // 0: none
  std::vector<int> status_codes;             // kRetriableStatusCodes
  std::vector<HeaderMatch> headers;          // kRetriableHeaders: of the response
  std::vector<HeaderMatch> request_headers;  // where there are some, one must match the request
  Milliseconds per_try_idle_timeout{0};      // 0: none
  std::vector<ResetHeader> reset_headers;
  Milliseconds reset_max{300'000};
  uint32_t other_priorities_after = 0;  // tries, then their priorities are avoided; 0: never
  bool avoid_previous_hosts = false;
  std::vector<std::shared_ptr<const SubsetCriteria>> omitted;  // endpoints with one of these are avoided too
  uint32_t host_attempts = 1;
  Milliseconds back_off_base{25};
  Milliseconds back_off_max{250};

  static uint32_t on_of(std::string_view words);       // as x-envoy-retry-on has them; unknown words are left out
  static uint32_t grpc_on_of(std::string_view words);  // as x-envoy-retry-grpc-on
};

struct RegexRewrite {
  std::shared_ptr<const re2::RE2> pattern;
  std::string substitution;  // RE2's \1
};

struct HashPolicy {
  enum class Kind : uint8_t { Header, Cookie, SourceIp, Query };
  Kind kind = Kind::Header;
  std::string name;
  std::optional<RegexRewrite> rewrite;  // of the header's value
  std::string cookie_attributes;        // "; Path=/x; HttpOnly": what follows the value of one that we set
  bool make_cookie = false;             // a request without it is given one
  bool terminal = false;
};

struct Forward;

// Another cluster that gets a copy of the request; what it answers is dropped.
struct Mirror {
  std::shared_ptr<const Forward> forward;  // to that cluster
  uint32_t per_million = 1'000'000;
  bool append_suffix = true;  // "-shadow" to the host
};

// One destination of a route.
struct WeightedTarget {
  std::shared_ptr<const SubsetCriteria> subset;  // of its endpoints (metadata_match), the route's word included
  Slot cluster = kNone;
  std::string cluster_header;  // the cluster's name is in this header, in place of `cluster`
  uint32_t weight = 1;
  std::string host_rewrite;
  HeaderMutation request, response;
  Policies policies;
};

// Which responses are followed here rather than by the client.
struct InternalRedirects {
  uint32_t most = 1;
  std::vector<int> status_codes{302};
  bool across_schemes = false;
  bool only_safe_schemes = false;                                         // never from http to https
  bool only_new_routes = false;                                           // none that this one led to before
  std::optional<std::vector<std::string>> allowed_routes = std::nullopt;  // by name
  std::vector<std::string> response_headers_to_copy;                      // into the next request
};

// What a route says about upgrades of one kind: the listener's word is overruled.
struct UpgradeChoice {
  std::string type;  // lower case
  bool enabled = true;
};

struct Forward {
  std::vector<WeightedTarget> targets;  // one, or several by weight
  uint32_t total_weight = 1;
  std::string random_header;        // its number decides among the targets, in place of dice
  bool weight_by_hash = false;      // the hash policy decides
  bool policies_by_target = false;  // some of targets have policies: one is picked before the filters run
  int cluster_not_found_status = 503;
  std::optional<std::string> prefix_rewrite;
  std::optional<RegexRewrite> regex_rewrite;
  std::optional<telemetry::Format> path_format, host_format;  // path_rewrite, host_rewrite
  std::string host_rewrite;
  bool auto_host_rewrite = false;
  std::string host_rewrite_header;
  std::optional<RegexRewrite> host_rewrite_path;  // the new host comes from the path
  bool append_forwarded_host = false;
  Milliseconds timeout{15'000};  // from the request's end to the response's; 0: none
  std::optional<Milliseconds> idle_timeout;
  std::optional<Milliseconds> max_duration;
  // The request's grpc-timeout counts, less the offset, up to this; 0: whatever it says.
  std::optional<Milliseconds> grpc_timeout_max;
  Milliseconds grpc_timeout_offset{0};
  bool limits_stream = false;  // max_stream_duration is said: that is what grpc-timeout counts as, not `timeout`
  std::optional<RetryPolicy> retry;
  std::optional<uint64_t> body_limit;  // of the request, as far as it is kept for retries
  std::optional<InternalRedirects> internal_redirects;
  std::vector<HashPolicy> hash;
  std::vector<Mirror> mirrors;
  bool high_priority = false;
  std::vector<UpgradeChoice> upgrades;
  bool ends_connect = false;          // CONNECT ends here: its bytes go to the endpoint as they are (connect_config)
  uint8_t connect_proxy_version = 0;  // of the PROXY protocol's header before them; 0: none
};

struct Redirect {
  int status = 301;
  std::string scheme;  // empty: the request's
  std::string host;
  uint32_t port = 0;
  std::string path;
  std::optional<std::string> prefix_rewrite;
  std::optional<RegexRewrite> regex_rewrite;
  bool strip_query = false;
};

struct DirectResponse {
  int status = 200;
  std::string body;
  std::optional<telemetry::LineFormat> body_format;
  std::string content_type;  // of body_format's; empty: as its kind says
};

// The proxy of a proxyless peer's kind: nothing to forward to.
struct NoForward {};

struct Route {
  std::string name;
  PathMatch path;
  std::vector<HeaderMatch> headers;
  std::vector<QueryMatch> query;
  uint32_t per_million = 1'000'000;  // runtime_fraction
  bool only_grpc = false;
  std::vector<MetadataMatch> metadata;                               // dynamic, which filters wrote
  std::optional<bool> certificate_presented, certificate_validated;  // tls_context

  std::variant<Forward, Redirect, DirectResponse, NoForward> action;
  HeaderMutation request, response;
  Policies policies;                      // what filters were told for this route
  std::shared_ptr<const Metadata> facts;  // its own metadata; nullptr: none
  std::string origin;                     // "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews"
  std::string operation;
  std::vector<RateLimitRule> rate_limits;
  bool include_host_rate_limits = false;

  bool matches(const http::RequestHead& request, std::string_view path, const Facts& facts) const;
};

struct VirtualHost {
  enum class Tls : uint8_t { Any, External, All };  // whose clear-text requests are sent to https
  std::string name;
  std::vector<std::string> domains;
  std::vector<Route> routes;
  HeaderMutation request, response;
  std::vector<RateLimitRule> rate_limits;
  Policies policies;
  std::shared_ptr<const Metadata> about;  // its metadata
  Tls require_tls = Tls::Any;
  bool timeout_retry_in_request = false;  // x-envoy-is-timeout-retry
  bool attempt_count_in_request = false;
  bool attempt_count_in_response = false;
};

// A RouteConfiguration, compiled. Immutable; shared by all threads.
class RouteTable {
 public:
  std::string name;
  bool ignore_port = false;
  bool ignore_path_parameters = false;             // ";x=y" at the path's end is not matched
  std::vector<std::string> internal_only_headers;  // taken off requests from outside
  HeaderMutation request, response;
  Policies policies;
  bool most_specific_wins = false;
  bool on_demand = false;  // VHDS: a host that is not here may be asked for
  Milliseconds demand_timeout{15'000};

  // Two hosts may not share a domain; the error names it.
  base::Result<void> add(std::shared_ptr<const VirtualHost> host);

  // Exact domain, then the longest "*.suffix", then the longest "prefix.*", then "*".
  const VirtualHost* host_for(std::string_view authority) const;
  const std::vector<std::shared_ptr<const VirtualHost>>& hosts() const { return hosts_; }

 private:
  struct Wildcard {
    size_t size;
    base::StringMap<const VirtualHost*> hosts;
  };
  static const VirtualHost* find(const std::vector<Wildcard>& wildcards, std::string_view host, bool suffix);
  static bool insert(std::vector<Wildcard>& wildcards, std::string_view text, const VirtualHost* host);

  std::vector<std::shared_ptr<const VirtualHost>> hosts_;
  base::StringMap<const VirtualHost*> exact_;
  std::vector<Wildcard> suffixes_, prefixes_;  // longest first
  const VirtualHost* any_ = nullptr;
};

struct Chosen {
  const VirtualHost* host = nullptr;
  const Route* route = nullptr;
};

// The first route of the request's virtual host that matches.
Chosen choose(const RouteTable& table, const http::RequestHead& request, const Facts& facts);

// The request's path as the route rewrites it; empty: it stays.
std::string rewritten_path(const Route& route, const Forward& forward, std::string_view path);
std::string rewritten_path(const Route& route, const Redirect& redirect, std::string_view path);
// Where a redirect sends the request.
std::string location_of(const Route& route, const Redirect& redirect, const http::RequestHead& request);
// One target by weight.
const WeightedTarget& pick(const Forward& forward, uint32_t dice);

}  // namespace proxy
