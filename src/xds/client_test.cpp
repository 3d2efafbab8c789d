// SPDX-License-Identifier: Apache-2.0
#include "xds/client.h"

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

static google::protobuf::Any resource(std::string_view type, const std::string& name) {
  google::protobuf::Any any;
  any.set_type_url(std::string(type));
  any.set_value(std::string("\x0a", 1) + static_cast<char>(name.size()) + name);
  return any;
}

template <typename Request>
struct Spoken {
  std::vector<Request> sent;
  std::vector<std::string> changed, removed;
  std::vector<Refused> refuse;
  ClientSession session;

  explicit Spoken(Variant variant)
      : session(variant, node(), [this](std::string_view, std::span<const Offered> c, std::span<const std::string> r) {
          for (const Offered& one : c) changed.push_back(one.name);
          removed.insert(removed.end(), r.begin(), r.end());
          return refuse;
        }) {}
  static envoy::config::core::v3::Node node() {
    envoy::config::core::v3::Node out;
    out.set_id("me");
    return out;
  }
  void begin() {
    session.begin([this](std::string bytes) { ASSERT_TRUE(sent.emplace_back().ParseFromString(bytes)); });
  }
  std::vector<Request> taken() { return std::exchange(sent, {}); }
};

using Delta = Spoken<DeltaDiscoveryRequest>;
using Sotw = Spoken<DiscoveryRequest>;

static DeltaDiscoveryResponse delta(std::string_view type, std::vector<std::string> names, std::string nonce) {
  DeltaDiscoveryResponse out;
  out.set_type_url(std::string(type));
  out.set_nonce(nonce);
  for (auto& name : names) {
    auto& one = *out.add_resources();
    one.set_name(name);
    one.set_version("v-" + name);
    *one.mutable_resource() = resource(type, name);
  }
  return out;
}

TEST(NameOf, ReadsTheFirstField) {
  EXPECT_EQ(name_of(resource("t", "outbound|80||a")), "outbound|80||a");
  EXPECT_EQ(name_of(google::protobuf::Any()), "");
  google::protobuf::Any late;  // a number, then a text, then the name
  late.set_value(
      std::string("\x10\x07\x1a\x01x\x0a\x01"
                  "a"));
  EXPECT_EQ(name_of(late), "a");
  google::protobuf::Any cut;
  cut.set_value(
      "\x0a\x7f"
      "abc");
  EXPECT_EQ(name_of(cut), "");
}

TEST(DeltaClient, NamesItselfOnceAndAsksForWhatIsWanted) {
  Delta d(Variant::Delta);
  d.session.want_all(type::kCluster);
  d.session.want(type::kEndpoint, {"a"});
  d.begin();
  auto sent = d.taken();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].node().id(), "me");
  EXPECT_THAT(sent[0].resource_names_subscribe(), IsEmpty());
  EXPECT_FALSE(sent[1].has_node());
  EXPECT_THAT(sent[1].resource_names_subscribe(), ElementsAre("a"));
  d.session.want(type::kEndpoint, {"b"});
  sent = d.taken();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0].resource_names_subscribe(), ElementsAre("b"));
  EXPECT_THAT(sent[0].resource_names_unsubscribe(), ElementsAre("a"));
}

TEST(DeltaClient, AcknowledgesAndResumesWithWhatItHolds) {
  Delta d(Variant::Delta);
  d.session.want_all(type::kCluster);
  d.begin();
  d.taken();
  EXPECT_FALSE(d.session.answered());
  ASSERT_TRUE(d.session.receive(delta(type::kCluster, {"a", "b"}, "n1").SerializeAsString()));
  EXPECT_TRUE(d.session.answered());
  auto sent = d.taken();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].response_nonce(), "n1");
  EXPECT_FALSE(sent[0].has_error_detail());
  d.session.end();
  d.begin();
  sent = d.taken();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].initial_resource_versions().at("a"), "v-a");
  EXPECT_EQ(sent[0].initial_resource_versions().size(), 2u);
}

TEST(DeltaClient, RefusesByNameAndHoldsWhatWasThereBefore) {
  Delta d(Variant::Delta);
  d.session.want_all(type::kCluster);
  d.begin();
  d.taken();
  d.refuse = {{"b", "no such filter"}};
  ASSERT_TRUE(d.session.receive(delta(type::kCluster, {"a", "b"}, "n1").SerializeAsString()));
  auto sent = d.taken();
  EXPECT_EQ(sent.at(0).error_detail().message(), "b: no such filter");
  auto next = delta(type::kCluster, {"a"}, "n2");
  next.mutable_resources(0)->set_version("worse");
  d.refuse = {{"a", "no such filter"}};
  ASSERT_TRUE(d.session.receive(next.SerializeAsString()));
  d.taken();
  d.session.end();
  d.begin();
  // Of both the server can say that they are gone, and send them anew.
  const auto versions = d.taken().at(0).initial_resource_versions();
  EXPECT_EQ(versions.at("a"), "v-a");
  EXPECT_EQ(versions.at("b"), "");
  EXPECT_EQ(versions.size(), 2u);
}

TEST(DeltaClient, HoldsNothingThatItDidNotAskFor) {
  Delta d(Variant::Delta);
  d.session.want(type::kEndpoint, {"a"});
  d.begin();
  d.taken();
  ASSERT_TRUE(d.session.receive(delta(type::kEndpoint, {"a", "b"}, "n1").SerializeAsString()));
  d.session.end();
  d.taken();
  d.begin();
  EXPECT_EQ(d.taken().at(0).initial_resource_versions().size(), 1u);
}

TEST(Client, ANackIsShortHoweverMuchIsWrong) {
  Delta d(Variant::Delta);
  d.session.want_all(type::kCluster);
  d.begin();
  d.taken();
  DeltaDiscoveryResponse response;
  response.set_type_url(std::string(type::kCluster));
  for (int i = 0; i < 10'000; ++i) *response.add_resources()->mutable_resource() = resource(type::kListener, "x");
  ASSERT_TRUE(d.session.receive(response.SerializeAsString()));
  const std::string why = d.taken().at(0).error_detail().message();
  EXPECT_LT(why.size(), 20'000u);
  EXPECT_TRUE(why.ends_with(" more")) << why.substr(why.size() - 40);
}

TEST(SotwClient, TreatsAMissingClusterAsRemovedAndKeepsTheVersionOnRefusal) {
  Sotw s(Variant::StateOfTheWorld);
  s.session.want_all(type::kCluster);
  s.begin();
  s.taken();
  DiscoveryResponse response;
  response.set_type_url(std::string(type::kCluster));
  response.set_version_info("1");
  response.set_nonce("n1");
  *response.add_resources() = resource(type::kCluster, "a");
  *response.add_resources() = resource(type::kCluster, "b");
  ASSERT_TRUE(s.session.receive(response.SerializeAsString()));
  auto sent = s.taken();
  EXPECT_EQ(sent.at(0).version_info(), "1");
  EXPECT_EQ(sent.at(0).response_nonce(), "n1");

  response.mutable_resources()->RemoveLast();
  response.set_version_info("2");
  response.set_nonce("n2");
  s.refuse = {{"a", "bad"}};
  ASSERT_TRUE(s.session.receive(response.SerializeAsString()));
  EXPECT_THAT(s.removed, ElementsAre("b"));
  sent = s.taken();
  EXPECT_EQ(sent.at(0).version_info(), "1");
  EXPECT_EQ(sent.at(0).response_nonce(), "n2");
  EXPECT_EQ(sent.at(0).error_detail().message(), "a: bad");

  // What was refused in its new form can be removed, too.
  s.refuse.clear();
  s.removed.clear();
  response.clear_resources();
  ASSERT_TRUE(s.session.receive(response.SerializeAsString()));
  EXPECT_THAT(s.removed, ElementsAre("a"));
}

TEST(SotwClient, AResponseThatMakesNoSenseRemovesNothing) {
  Sotw s(Variant::StateOfTheWorld);
  s.session.want_all(type::kCluster);
  s.begin();
  s.taken();
  DiscoveryResponse response;
  response.set_type_url(std::string(type::kCluster));
  response.set_version_info("1");
  *response.add_resources() = resource(type::kCluster, "a");
  ASSERT_TRUE(s.session.receive(response.SerializeAsString()));
  s.changed.clear();
  s.taken();
  google::protobuf::Any torn;
  torn.set_type_url("type.googleapis.com/envoy.service.discovery.v3.Resource");
  torn.set_value("\xff");
  for (const google::protobuf::Any& strange : {resource(type::kListener, "l"), google::protobuf::Any(), torn}) {
    response.clear_resources();
    response.set_version_info("2");
    *response.add_resources() = resource(type::kCluster, "b");
    *response.add_resources() = strange;
    ASSERT_TRUE(s.session.receive(response.SerializeAsString()));
    EXPECT_THAT(s.removed, IsEmpty());
    EXPECT_THAT(s.changed, IsEmpty());
    auto sent = s.taken();
    EXPECT_TRUE(sent.at(0).has_error_detail());
    EXPECT_EQ(sent.at(0).version_info(), "1");
  }
}

TEST(SotwClient, ANackIsReadableWhateverWasSent) {
  Sotw s(Variant::StateOfTheWorld);
  s.session.want_all(type::kCluster);
  s.begin();
  s.taken();
  DiscoveryResponse response;
  response.set_type_url(std::string(type::kCluster));
  response.set_nonce("n1");
  *response.add_resources() = resource(type::kCluster, "\xff\xfe");
  s.refuse = {{"\xff\xfe", "malformed \xff"}};
  ASSERT_TRUE(s.session.receive(response.SerializeAsString()));
  EXPECT_EQ(s.taken().at(0).error_detail().message(), "\\xff\\xfe: malformed \\xff");
}

TEST(DeltaClient, TellsHowLongAResourceHoldsAndWhatConfirmsIt) {
  std::vector<Offered> offered;
  std::vector<std::string> removed;
  ClientSession session(Variant::Delta, {},
                        [&](std::string_view, std::span<const Offered> c, std::span<const std::string> r) {
                          offered.insert(offered.end(), c.begin(), c.end());
                          removed.insert(removed.end(), r.begin(), r.end());
                          return std::vector<Refused>();
                        });
  session.want_all(type::kCluster);
  std::vector<std::string> sent;
  session.begin([&](std::string bytes) { sent.push_back(std::move(bytes)); });
  auto response = delta(type::kCluster, {"a"}, "n1");
  response.mutable_resources(0)->mutable_ttl()->set_seconds(3);
  ASSERT_TRUE(session.receive(response.SerializeAsString()));
  response.mutable_resources(0)->clear_resource();
  ASSERT_TRUE(session.receive(response.SerializeAsString()));
  ASSERT_EQ(offered.size(), 2u);
  EXPECT_EQ(offered[0].ttl, std::chrono::seconds(3));
  EXPECT_FALSE(offered[0].heartbeat);
  EXPECT_TRUE(offered[1].heartbeat);
  // Without a ttl, no body says that there is no such thing, by any of its names.
  response.mutable_resources(0)->clear_ttl();
  response.mutable_resources(0)->add_aliases("b");
  ASSERT_TRUE(session.receive(response.SerializeAsString()));
  EXPECT_THAT(removed, ElementsAre("a", "b"));
  session.forget(type::kCluster, "a");
  session.end();
  sent.clear();
  session.begin([&](std::string bytes) { sent.push_back(std::move(bytes)); });
  DeltaDiscoveryRequest again;
  ASSERT_TRUE(again.ParseFromString(sent.at(0)));
  EXPECT_EQ(again.initial_resource_versions().size(), 0u);
}

TEST(Client, RefusesAResourceOfAnotherTypeAndPassesOverATypeItDidNotAskFor) {
  Delta d(Variant::Delta);
  d.session.want_all(type::kCluster);
  d.begin();
  d.taken();
  auto response = delta(type::kCluster, {"a"}, "n1");
  response.mutable_resources(0)->mutable_resource()->set_type_url(std::string(type::kListener));
  ASSERT_TRUE(d.session.receive(response.SerializeAsString()));
  EXPECT_TRUE(d.taken().at(0).has_error_detail());
  EXPECT_THAT(d.changed, IsEmpty());
  EXPECT_TRUE(d.session.receive(delta(type::kListener, {"l"}, "n2").SerializeAsString()));
  EXPECT_THAT(d.sent, IsEmpty());
  EXPECT_THAT(d.changed, IsEmpty());
  EXPECT_FALSE(d.session.receive("\xff\xff"));
}

}  // namespace xds
