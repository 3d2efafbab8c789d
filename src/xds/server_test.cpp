// SPDX-License-Identifier: Apache-2.0
#include "xds/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envoy/service/discovery/v3/discovery.pb.h"

namespace xds {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Offers what the test put there.
struct Shelf final : Source {
  std::map<std::string, Resources, std::less<>> by_type;

  void put(std::string_view type, std::string name, std::string body) {
    by_type[std::string(type)][name] = Resource::make(name, std::move(body));
  }
  std::shared_ptr<const Resources> resources(const envoy::config::core::v3::Node&, std::string_view type,
                                             const Subscription& wanted) override {
    auto out = std::make_shared<Resources>();
    for (const auto& [name, resource] : by_type[std::string(type)])
      if (wanted.wildcard || wanted.names.contains(name)) (*out)[name] = resource;
    return out;
  }
};

template <typename Response>
struct Stream {
  Shelf shelf;
  std::vector<Response> got;
  ServerSession session;

  explicit Stream(Variant variant)
      : session(variant, shelf, [this](std::string bytes) { ASSERT_TRUE(got.emplace_back().ParseFromString(bytes)); }) {
  }
  std::vector<Response> taken() { return std::exchange(got, {}); }
};

struct Delta : Stream<DeltaDiscoveryResponse> {
  Delta() : Stream(Variant::Delta) {}
  void ask(std::string_view type, std::vector<std::string> names, std::vector<std::string> unwanted = {}) {
    DeltaDiscoveryRequest request;
    request.mutable_node()->set_id("sidecar~1.2.3.4~a.b~b.svc.cluster.local");
    request.set_type_url(std::string(type));
    for (auto& name : names) request.add_resource_names_subscribe(name);
    for (auto& name : unwanted) request.add_resource_names_unsubscribe(name);
    ASSERT_TRUE(session.receive(request.SerializeAsString()));
  }
  void answer(const DeltaDiscoveryResponse& response, std::string error = {}) {
    DeltaDiscoveryRequest request;
    request.set_type_url(response.type_url());
    request.set_response_nonce(response.nonce());
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    ASSERT_TRUE(session.receive(request.SerializeAsString()));
  }
};

struct Sotw : Stream<DiscoveryResponse> {
  Sotw() : Stream(Variant::StateOfTheWorld) {}
  void ask(std::string_view type, std::vector<std::string> names, std::string nonce = {}, std::string error = {}) {
    DiscoveryRequest request;
    request.mutable_node()->set_id("sidecar~1.2.3.4~a.b~b.svc.cluster.local");
    request.set_type_url(std::string(type));
    request.set_response_nonce(nonce);
    for (auto& name : names) request.add_resource_names(name);
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    ASSERT_TRUE(session.receive(request.SerializeAsString()));
  }
};

static std::vector<std::string> names(const DeltaDiscoveryResponse& response) {
  std::vector<std::string> out;
  for (const auto& resource : response.resources()) out.push_back(resource.name());
  return out;
}

TEST(DeltaServer, SendsTheWholeThenOnlyWhatChanged) {
  Delta d;
  d.shelf.put(type::kCluster, "a", "1");
  d.shelf.put(type::kCluster, "b", "1");
  d.ask(type::kCluster, {});
  auto first = d.taken();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_THAT(names(first[0]), ElementsAre("a", "b"));
  d.answer(first[0]);
  d.session.push();
  EXPECT_THAT(d.taken(), IsEmpty());

  d.shelf.put(type::kCluster, "b", "2");
  d.shelf.by_type[std::string(type::kCluster)].erase("a");
  d.session.push();
  auto second = d.taken();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_THAT(names(second[0]), ElementsAre("b"));
  EXPECT_THAT(second[0].removed_resources(), ElementsAre("a"));
}

TEST(DeltaServer, AnswersANameThatIsNotThereAsRemoved) {
  Delta d;
  d.ask(type::kRoute, {"80"});
  auto got = d.taken();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_THAT(got[0].removed_resources(), ElementsAre("80"));
  d.shelf.put(type::kRoute, "80", "x");
  d.session.push();
  EXPECT_THAT(names(d.taken().at(0)), ElementsAre("80"));
}

TEST(DeltaServer, SendsAgainWhatIsSubscribedAgainAndNothingAfterUnsubscribe) {
  Delta d;
  d.shelf.put(type::kEndpoint, "a", "1");
  d.ask(type::kEndpoint, {"a"});
  EXPECT_THAT(names(d.taken().at(0)), ElementsAre("a"));
  d.ask(type::kEndpoint, {"a"});
  EXPECT_THAT(names(d.taken().at(0)), ElementsAre("a"));
  EXPECT_TRUE(d.session.wants(type::kEndpoint, "a"));
  d.ask(type::kEndpoint, {}, {"a"});
  EXPECT_FALSE(d.session.wants(type::kEndpoint, "a"));
  d.shelf.put(type::kEndpoint, "a", "2");
  d.session.push();
  EXPECT_THAT(d.taken(), IsEmpty());
}

TEST(DeltaServer, ResumesWithoutRepeatingWhatTheClientHolds) {
  Delta d;
  d.shelf.put(type::kCluster, "a", "1");
  d.shelf.put(type::kCluster, "b", "1");
  DeltaDiscoveryRequest request;
  request.mutable_node()->set_id("n");
  request.set_type_url(std::string(type::kCluster));
  (*request.mutable_initial_resource_versions())["a"] = Resource::make("a", "1")->version;
  (*request.mutable_initial_resource_versions())["gone"] = "7";
  ASSERT_TRUE(d.session.receive(request.SerializeAsString()));
  auto got = d.taken();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_THAT(names(got[0]), ElementsAre("b"));
  EXPECT_THAT(got[0].removed_resources(), ElementsAre("gone"));
}

TEST(DeltaServer, SendsEndpointsAgainAfterTheirClusterChanged) {
  Delta d;
  d.shelf.put(type::kCluster, "a", "1");
  d.shelf.put(type::kCluster, "b", "1");
  d.shelf.put(type::kEndpoint, "a", "e");
  d.shelf.put(type::kEndpoint, "b", "e");
  d.ask(type::kCluster, {});
  d.ask(type::kEndpoint, {"a", "b"});
  d.taken();
  d.shelf.put(type::kCluster, "a", "2");
  d.session.push();
  auto got = d.taken();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].type_url(), type::kCluster);
  EXPECT_EQ(got[1].type_url(), type::kEndpoint);
  EXPECT_THAT(names(got[1]), ElementsAre("a"));
}

TEST(DeltaServer, NotesRejectionsAndDoesNotRepeatThem) {
  Delta d;
  d.shelf.put(type::kListener, "l", "bad");
  d.ask(type::kListener, {});
  auto bad = d.taken().at(0);
  std::string why;
  d.session.on_rejection = [&](std::string_view, std::string_view message) { why = message; };
  d.answer(bad, "listener l: no");
  EXPECT_EQ(why, "listener l: no");
  EXPECT_EQ(d.session.status(type::kListener).acked, "");
  EXPECT_EQ(d.session.status(type::kListener).rejection, "listener l: no");
  d.session.push();
  EXPECT_THAT(d.taken(), IsEmpty());
  d.shelf.put(type::kListener, "l", "good");
  d.session.push();
  d.answer(d.taken().at(0));
  EXPECT_EQ(d.session.status(type::kListener).rejection, "");
  EXPECT_EQ(d.session.status(type::kListener).acked, d.session.status(type::kListener).sent);
}

TEST(SotwServer, AnswersNewNamesAndIgnoresAcknowledgementsAndStaleNonces) {
  Sotw s;
  s.shelf.put(type::kEndpoint, "a", "1");
  s.shelf.put(type::kEndpoint, "b", "1");
  s.ask(type::kEndpoint, {"a"});
  auto first = s.taken().at(0);
  EXPECT_EQ(first.resources_size(), 1);
  s.ask(type::kEndpoint, {"a"}, first.nonce());
  EXPECT_THAT(s.taken(), IsEmpty());
  s.ask(type::kEndpoint, {"a", "b"}, first.nonce());
  auto second = s.taken().at(0);
  EXPECT_EQ(second.resources_size(), 2);
  s.ask(type::kEndpoint, {"a", "b", "c"}, first.nonce());
  EXPECT_THAT(s.taken(), IsEmpty());
  s.ask(type::kEndpoint, {"a"}, second.nonce());
  EXPECT_THAT(s.taken(), IsEmpty());
}

TEST(SotwServer, TellsClustersAsAWholeAndEndpointsOnlyWhereChanged) {
  Sotw s;
  for (const char* name : {"a", "b"}) {
    s.shelf.put(type::kCluster, name, "1");
    s.shelf.put(type::kEndpoint, name, "1");
  }
  s.ask(type::kCluster, {});
  s.ask(type::kEndpoint, {"a", "b"});
  auto first = s.taken();
  s.ask(type::kCluster, {}, first.at(0).nonce());
  s.ask(type::kEndpoint, {"a", "b"}, first.at(1).nonce());
  s.shelf.put(type::kEndpoint, "b", "2");
  s.session.push();
  auto endpoints = s.taken();
  ASSERT_EQ(endpoints.size(), 1u);
  EXPECT_EQ(endpoints[0].resources_size(), 1);
  s.shelf.by_type[std::string(type::kCluster)].erase("b");
  s.session.push();
  auto clusters = s.taken();
  ASSERT_EQ(clusters.size(), 1u);
  EXPECT_EQ(clusters[0].resources_size(), 1);
}

TEST(Server, RefusesWhatIsNoRequest) {
  Sotw s;
  EXPECT_FALSE(s.session.receive("\xff\xff\xff"));
  DiscoveryRequest nameless;
  nameless.set_type_url(std::string(type::kCluster));
  EXPECT_FALSE(s.session.receive(nameless.SerializeAsString()));
  s.ask(type::kCluster, {});
  DiscoveryRequest other;
  other.set_type_url(std::string(type::kCluster));
  other.mutable_node()->set_id("somebody else");
  EXPECT_FALSE(s.session.receive(other.SerializeAsString()));
}

}  // namespace xds
