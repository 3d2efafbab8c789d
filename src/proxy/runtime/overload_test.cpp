// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/overload.h"

#include <malloc.h>

#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

constexpr char kHeap[] =
    "{name: heap, typed_config: {\"@type\": "
    "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: "
    "@bytes}}";

std::string heap(const std::string& bytes) {
  std::string out = kHeap;
  out.replace(out.find("@bytes"), 6, bytes);
  return out;
}

std::string bootstrap_with(const std::string& overload, const std::string& http = "") {
  return bootstrap_of(
             "              - {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}",
             "  - {name: c, type: STATIC}\n", http) +
         "\noverload_manager: " + overload + "\n";
}

std::string acts(const std::string& action, const std::string& bytes = "1") {
  return "{resource_monitors: [" + heap(bytes) + "], actions: [{name: envoy.overload_actions." + action +
         ", triggers: [{name: heap, threshold: {value: 0.9}}]}]}";
}

// ThreadSanitizer's allocator tells mallinfo2 nothing.
#define NEEDS_HEAP_FIGURES() \
  if (mallinfo2().uordblks == 0) GTEST_SKIP() << "this allocator does not tell how much is taken"

TEST(Overload, RequestsAreTurnedAwayWhileTheHeapIsFull) {
  NEEDS_HEAP_FIGURES();
  net::Loop loop;
  Proxy full(loop, bootstrap_with(acts("stop_accepting_requests"), "          append_local_overload: true"));
  for (auto version : {http::Version::Http1, http::Version::Http2}) {
    auto response = get(loop, full.port(), "/", version);
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body, "envoy overloaded");
    EXPECT_EQ(response.headers.get("x-envoy-local-overloaded"), "true");
  }
  Proxy roomy(loop, bootstrap_with(acts("stop_accepting_requests", "100000000000")));
  EXPECT_EQ(get(loop, roomy.port(), "/").status, 200);
}

TEST(Overload, KeepAliveEndsAndConnectionsAreRefused) {
  NEEDS_HEAP_FIGURES();
  net::Loop loop;
  Proxy closing(loop, bootstrap_with(acts("disable_http_keepalive")));
  std::string answer = raw(loop, closing.port(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n");  // ends by the proxy's close
  EXPECT_NE(answer.find("200 OK"), std::string::npos) << answer;
  EXPECT_NE(answer.find("connection: close"), std::string::npos) << answer;
  Proxy refusing(loop, bootstrap_with(acts("reject_incoming_connections")));
  EXPECT_EQ(raw(loop, refusing.port(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), "");
}

TEST(Overload, TheProcessTakesSoManyConnectionsOnly) {
  net::Loop loop;
  Proxy proxy(loop,
              bootstrap_with("{resource_monitors: [{name: envoy.resource_monitors.global_downstream_max_connections, "
                             "typed_config: {\"@type\": "
                             "type.googleapis.com/"
                             "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig,"
                             " max_active_downstream_connections: 1}}]}"));
  http::ClientOptions options{.host = "127.0.0.1", .port = proxy.port()};
  http::Client holds(loop, std::move(options));
  EXPECT_TRUE(net::run_to_end(loop, holds.fetch({})));
  EXPECT_EQ(raw(loop, proxy.port(), "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), "");
  EXPECT_TRUE(net::run_to_end(loop, holds.fetch({}))) << "the one that has a place keeps it";
}

TEST(Overload, AScaledTriggerActsOnAShareOfCases) {
  OverloadState state;
  state.stop_requests = OverloadState::kAll / 2;
  EXPECT_TRUE(OverloadState::takes(state.stop_requests, 1));
  EXPECT_FALSE(OverloadState::takes(state.stop_requests, OverloadState::kAll - 1));
  state.stop_requests = OverloadState::kAll;
  EXPECT_TRUE(OverloadState::takes(state.stop_requests, OverloadState::kAll));
  EXPECT_FALSE(OverloadState::takes(state.close_connections, 0));
}

TEST(Overload, NamesWhatItDoesNotKnow) {
  net::Loop loop;
  for (auto [yaml, word] :
       {std::pair<std::string, std::string>{acts("reset_high_memory_stream"), "reset_high_memory_stream"},
        {"{loadshed_points: [{name: envoy.load_shed_points.tcp_listener_accept}]}", "loadshed_points"},
        {"{actions: [{name: envoy.overload_actions.shrink_heap, triggers: [{name: heap, threshold: {value: 1}}]}]}",
         "no resource monitor"},
        {"{resource_monitors: [" + heap("0") + "]}", "max_heap_size_bytes"}}) {
    auto bootstrap = parse_bootstrap("overload_manager: " + yaml);
    ASSERT_TRUE(bootstrap) << bootstrap.error().message;
    auto made = Overload::make(loop, bootstrap->overload_manager(), std::make_shared<ConnectionLimit>(), {});
    ASSERT_FALSE(made) << yaml;
    EXPECT_NE(made.error().message.find(word), std::string::npos) << made.error().message;
  }
}

}  // namespace
}  // namespace proxy
