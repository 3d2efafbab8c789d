// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "base/hash.h"
#include "proxy/runtime/worker.h"

namespace proxy {
namespace {

struct Spec {
  uint16_t port;
  uint32_t weight = 1;
  uint8_t priority = 0;
  Health health = Health::Healthy;
};

// A cluster on a worker that does not run: balancing needs no sockets.
class Balance : public testing::Test {
 protected:
  ClusterState& state(Cluster::Balance balance, std::vector<Spec> specs, double panic = 0) {
    auto set = std::make_shared<EndpointSet>();
    for (const Spec& spec : specs) {
      Endpoint endpoint{.address = *net::Address::parse("10.0.0.1", spec.port),
                        .weight = spec.weight,
                        .priority = spec.priority,
                        .health = spec.health};
      set->endpoints.push_back(std::move(endpoint));
    }
    auto cluster = std::make_shared<Cluster>();
    cluster->balance = balance;
    cluster->panic_percent = panic;
    cluster->outlier = OutlierPolicy{.consecutive_5xx = 2, .max_ejection_percent = 100};
    cluster->endpoints = set;
    state_.configure(cluster);
    return state_;
  }
  std::map<uint16_t, int> picks(ClusterState& state, int count, const ClusterState::Wish& wish = {}) {
    std::map<uint16_t, int> out;
    for (int i = 0; i < count; ++i)
      if (Host* host = state.pick(wish)) ++out[host->address.port()];
    return out;
  }
  using Counts = std::map<uint16_t, int>;

  Worker worker_{{}};
  ClusterState state_{worker_, 0};
};

TEST_F(Balance, RoundRobinIsFairAndFollowsWeights) {
  EXPECT_EQ(picks(state(Cluster::Balance::RoundRobin, {{1}, {2}, {3}}), 9), (Counts{{1, 3}, {2, 3}, {3, 3}}));
  auto weighted = picks(state(Cluster::Balance::RoundRobin, {{1, 3}, {2, 1}}), 400);
  EXPECT_NEAR(weighted[1], 300, 2);
  EXPECT_NEAR(weighted[2], 100, 2);
}

TEST_F(Balance, LeastRequestPrefersTheIdle) {
  ClusterState& s = state(Cluster::Balance::LeastRequest, {{1}, {2}});
  s.each_host([](Host& host) { host.active = host.address.port() == 1 ? 10 : 0; });
  auto seen = picks(s, 400);
  EXPECT_GT(seen[2], seen[1]);
  s.each_host([](Host& host) { host.active = 0; });
}

TEST_F(Balance, UnhealthyEndpointsAreLeftOutAndNoneMeansNone) {
  EXPECT_EQ(picks(state(Cluster::Balance::RoundRobin, {{1, 1, 0, Health::Unhealthy}, {2}}), 4), (Counts{{2, 4}}));
  EXPECT_EQ(state(Cluster::Balance::RoundRobin, {{1, 1, 0, Health::Unhealthy}}).pick({}), nullptr);
  EXPECT_NE(state(Cluster::Balance::RoundRobin, {{1, 1, 0, Health::Unhealthy}}, 50).pick({}), nullptr)
      << "panic takes anyone";
}

TEST_F(Balance, WhoDrainsCountsNeitherAsWellNorAsFailed) {
  EXPECT_EQ(picks(state(Cluster::Balance::RoundRobin,
                        {{1}, {2, 1, 0, Health::Draining}, {3, 1, 0, Health::Draining}, {4, 1, 1}}, 50),
                  50),
            (Counts{{1, 50}}));
  EXPECT_EQ(picks(state(Cluster::Balance::RoundRobin, {{2, 1, 0, Health::Draining}}, 50), 4), (Counts{{2, 4}}))
      << "panic takes anyone";
  EXPECT_EQ(
      picks(state(Cluster::Balance::RoundRobin, {{1, 1, 0, Health::Unhealthy}, {2, 1, 0, Health::Draining}}, 50), 4),
      (Counts{{1, 2}, {2, 2}}));
}

TEST_F(Balance, TheNextPriorityTakesWhatTheFirstCannotCarry) {
  EXPECT_EQ(picks(state(Cluster::Balance::RoundRobin, {{1}, {2, 1, 1}}), 50), (Counts{{1, 50}}));
  EXPECT_EQ(picks(state(Cluster::Balance::RoundRobin, {{1, 1, 0, Health::Unhealthy}, {2, 1, 1}}), 50),
            (Counts{{2, 50}}));
  // Half of the first is well: it carries 50 * 1.4 = 70 of 100.
  auto seen = picks(state(Cluster::Balance::RoundRobin, {{1}, {2, 1, 0, Health::Unhealthy}, {3, 1, 1}}), 4000);
  EXPECT_NEAR(seen[1], 2800, 200);
  EXPECT_NEAR(seen[3], 1200, 200);
}

TEST_F(Balance, AHashStaysWithItsEndpointWhenOthersCome) {
  auto port_of = [](ClusterState& s, uint64_t hash) {
    return s.pick({.hash = base::xx_hash(std::to_string(hash))})->address.port();
  };
  ClusterState& s = state(Cluster::Balance::RingHash, {{1}, {2}, {3}});
  std::map<uint64_t, uint16_t> before;
  for (uint64_t hash = 0; hash < 300; ++hash) before[hash] = port_of(s, hash);
  state(Cluster::Balance::RingHash, {{1}, {2}, {3}, {4}});
  int moved = 0, to_new = 0;  // the ring's points per endpoint change too, as in Envoy, so a few move between old ones
  for (auto [hash, port] : before) {
    const uint16_t now = port_of(s, hash);
    moved += now != port;
    to_new += now == 4;
  }
  EXPECT_GT(to_new, 30);
  EXPECT_GT(moved, 20);
  EXPECT_LT(moved, 150);
}

TEST_F(Balance, AnotherTryAvoidsHostsThatWereTried) {
  ClusterState& s = state(Cluster::Balance::Random, {{1}, {2}});
  const std::vector<ClusterState::Try> tried{{s.pick({}), 0}};
  for (int i = 0; i < 20; ++i) EXPECT_NE(s.pick({.tried = &tried, .tries = 64}), tried[0].host);
}

TEST_F(Balance, AnEndpointThatKeepsFailingRests) {
  ClusterState& s = state(Cluster::Balance::RoundRobin, {{1}, {2}});
  Host* bad = s.pick({});
  s.report(*bad, Outcome::Response, 503);
  s.report(*bad, Outcome::Response, 200);
  s.report(*bad, Outcome::Response, 503);
  EXPECT_EQ(picks(s, 4).size(), 2u) << "not two in a row";
  s.report(*bad, Outcome::Response, 503);
  auto seen = picks(s, 4);
  EXPECT_EQ(seen.size(), 1u);
  EXPECT_FALSE(seen.contains(bad->address.port()));
}

TEST_F(Balance, LocalitiesShareByTheirWeightAndByTheirHealth) {
  auto set = std::make_shared<EndpointSet>();
  set->localities = {{.weight = 3}, {.weight = 1}, {.weight = 0}};
  for (uint16_t port = 1; port <= 6; ++port) {
    Endpoint endpoint{.address = *net::Address::parse("10.0.0.1", port), .locality = (port - 1u) / 2};
    set->endpoints.push_back(std::move(endpoint));
  }
  auto cluster = std::make_shared<Cluster>();
  cluster->locality_weighted = true;
  cluster->panic_percent = 0;
  cluster->endpoints = set;
  state_.configure(cluster);
  auto seen = picks(state_, 800);
  EXPECT_NEAR(seen[1] + seen[2], 600, 10);
  EXPECT_NEAR(seen[3] + seen[4], 200, 10);
  EXPECT_EQ(seen[5] + seen[6], 0) << "a locality without a weight takes nothing";
  auto ill = std::make_shared<EndpointSet>(*set);
  ill->endpoints[0].health = Health::Unhealthy;  // half of the first locality: 3 * 0.7 to 1
  state_.set_endpoints(ill);
  seen = picks(state_, 3100);
  EXPECT_NEAR(seen[2], 2100, 20);
}

TEST_F(Balance, AnOverrideNamesTheEndpointWhereItIsFit) {
  ClusterState& s = state(Cluster::Balance::RoundRobin, {{1}, {2}, {3, 1, 0, Health::Draining}});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(s.pick({.preferred = *net::Address::parse("10.0.0.1", 2)})->address.port(), 2);
  EXPECT_NE(s.pick({.preferred = *net::Address::parse("10.0.0.1", 3)}), nullptr) << "somebody else";
  EXPECT_EQ(s.pick({.preferred = *net::Address::parse("10.0.0.1", 3), .only_preferred = true}), nullptr);
  EXPECT_EQ(s.pick({.preferred = *net::Address::parse("10.0.0.1", 9), .only_preferred = true}), nullptr);
}

TEST_F(Balance, ANewEndpointStartsSlowly) {
  auto cluster = std::make_shared<Cluster>();
  cluster->slow_start.window = std::chrono::hours(1);
  Endpoint endpoint;
  endpoint.weight = 10;
  state_.configure(cluster);
  Host host(state_, endpoint);
  host.weight = 10;
  const net::Clock::time_point start{std::chrono::hours(100)};
  host.since = start;
  EXPECT_DOUBLE_EQ(scheduled_weight(host, *cluster, start), 1) << "a tenth at least";
  EXPECT_DOUBLE_EQ(scheduled_weight(host, *cluster, start + std::chrono::minutes(30)), 5);
  EXPECT_DOUBLE_EQ(scheduled_weight(host, *cluster, start + std::chrono::hours(1)), 10);
  cluster->slow_start.aggression = 2;
  EXPECT_NEAR(scheduled_weight(host, *cluster, start + std::chrono::minutes(15)), 5, 1e-9) << "the root of a quarter";
  cluster->balance = Cluster::Balance::LeastRequest;
  cluster->slow_start.window = {};
  host.active = 4;
  EXPECT_DOUBLE_EQ(scheduled_weight(host, *cluster, start), 2) << "a fifth with four under way";
}

TEST_F(Balance, AnEndpointIsAsNewAsItIsAmongTheOthers) {
  auto cluster = std::make_shared<Cluster>();
  cluster->slow_start.window = std::chrono::hours(1);
  auto set = std::make_shared<EndpointSet>();
  const auto now = net::Clock::now();
  for (uint16_t port : {1, 2, 3}) {
    Endpoint endpoint{.address = *net::Address::parse("10.0.0.1", port)};
    endpoint.since = port == 3 ? now : now - std::chrono::hours(2);
    set->endpoints.push_back(std::move(endpoint));
  }
  state_.configure(cluster);
  state_.set_endpoints(set);
  EXPECT_NEAR(picks(state_, 2100)[3], 100, 10) << "although nobody asked before";
}

TEST_F(Balance, EndpointsMayChangeAndTheOthersAreKept) {
  ClusterState& s = state(Cluster::Balance::RoundRobin, {{1}, {2}});
  Host* second = nullptr;
  s.each_host([&](Host& host) { second = host.address.port() == 2 ? &host : second; });
  state(Cluster::Balance::RoundRobin, {{2}, {3}});
  EXPECT_EQ(picks(s, 4), (Counts{{2, 2}, {3, 2}}));
  Host* again = nullptr;
  s.each_host([&](Host& host) { again = host.address.port() == 2 ? &host : again; });
  EXPECT_EQ(again, second);
}

}  // namespace
}  // namespace proxy
