// SPDX-License-Identifier: Apache-2.0
#include "control/ads.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>

#include "base/json.h"
#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "http/grpc.h"
#include "http/server.h"
#include "identity/certificate.h"
#include "xds/client.h"

namespace control {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

objects::Object secret() {
  auto pair = identity::Authority::self_signed("shop", identity::KeyType::EcP256, identity::WallClock::now()).value();
  return objects::Object(
      {{"apiVersion", "v1"},
       {"kind", "Secret"},
       {"metadata", {{"name", "shop"}, {"namespace", "edge"}}},
       {"type", "kubernetes.io/tls"},
       {"data", {{"tls.crt", base::to_base64(pair.certificate_pem())}, {"tls.key", base::to_base64(pair.key_pem())}}}});
}

// Discovery over a socket, for a caller who proved to be edge/caller and says to be a gateway.
struct Bench {
  explicit Bench(bool allowed) {
    ads.may_read_secrets = [this, allowed](Identity who) -> net::Task<base::Result<bool>> {
      asked.push_back(who.ns + "/" + who.service_account);
      co_return allowed;
    };
    address = server.listen(*net::Address::parse("127.0.0.1", 0)).value();
    loop.post([this] {
      ingest.put(secret());
      ingest.begin();
    });
    limit.arm(10s);
  }

  // The names of the secrets that came, once `enough` says so.
  std::vector<std::string> secrets(const std::function<bool(const std::vector<std::string>&, int)>& enough) {
    envoy::config::core::v3::Node node;
    node.set_id("router~10.0.0.9~gateway.edge~edge.svc.cluster.local");
    std::vector<std::string> got;
    int answers = 0;
    xds::ClientSession session(xds::Variant::StateOfTheWorld, node,
                               [&](std::string_view, std::span<const xds::Offered> changed,
                                   std::span<const std::string>) -> std::vector<xds::Refused> {
                                 for (const xds::Offered& one : changed) got.push_back(one.name);
                                 ++answers;
                                 if (enough(got, answers)) loop.stop();
                                 return {};
                               });
    session.want(xds::type::kSecret, {"kubernetes://shop"});
    xds::AdsClient client(loop, session, [this]() -> base::Result<xds::AdsClient::Dial> {
      http::ClientOptions options{.host = "127.0.0.1", .port = address.port(), .version = http::Version::Http2};
      return xds::AdsClient::Dial{std::make_unique<http::Client>(loop, std::move(options)), {}};
    });
    loop.run();
    return got;
  }

  net::Loop loop;
  Metrics metrics;
  Ads ads{loop, metrics};
  Ingest ingest{loop, [this](const Ingest::Change& change) { ads.publish(change); }};
  http::Server server{loop, [this](std::shared_ptr<http::Exchange> exchange) {
                        Identity who{.ns = "edge", .service_account = "caller"};
                        return ads.serve(std::move(exchange), Ads::Trust::Authenticated, std::move(who));
                      }};
  net::Address address;
  net::Timer limit{loop, [this] { loop.stop(); }};
  std::vector<std::string> asked;
};

// Asks for clusters; what comes back instead of them.
net::Task<void> first_request(Bench& bench, const envoy::config::core::v3::Node& node, std::string& why) {
  http::ClientOptions options{.host = "127.0.0.1", .port = bench.address.port(), .version = http::Version::Http2};
  http::Client client(bench.loop, std::move(options));
  http::Headers metadata;
  auto opened = co_await http::grpc::open(
      client, "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", metadata);
  if (opened) {
    envoy::service::discovery::v3::DiscoveryRequest request;
    *request.mutable_node() = node;
    request.set_type_url(std::string(xds::type::kCluster));
    auto written = co_await (*opened)->write(request.SerializeAsString());
    auto answer = co_await (*opened)->read();
    if (!written || !answer || !*answer) why = (*opened)->status().message;
  } else {
    why = opened.error().message;
  }
  bench.loop.stop();
}

// Why a caller, proven to be edge/caller, is refused with that node; empty: it is not.
std::string refusal(const std::string& id, const std::string& metadata = "{}") {
  Bench bench(false);
  constexpr char kPod[] =
      "{apiVersion: v1, kind: Pod, metadata: {name: NAME, namespace: edge}, spec: {serviceAccountName: ACCOUNT}, "
      "status: {podIP: 10.0.0.9}}";
  for (auto [name, account] : {std::pair("gateway", "caller"), std::pair("shop", "owner")}) {
    objects::Json pod = base::parse_yaml(kPod).value().at(0);
    pod["metadata"]["name"] = name;
    pod["spec"]["serviceAccountName"] = account;
    bench.ingest.put(objects::Object(pod));
  }
  envoy::config::core::v3::Node node;
  node.set_id(id);
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(metadata, node.mutable_metadata()).ok());
  std::string why;
  bench.loop.post([&] { net::spawn(first_request(bench, node, why)); });
  bench.loop.run();
  return why;
}

TEST(Ads, AProxyIsInTheNamespaceAndOfTheAccountThatItProved) {
  EXPECT_EQ(refusal("sidecar~10.0.0.9~gateway.edge~edge.svc.cluster.local"), "");
  EXPECT_THAT(refusal("sidecar~10.0.0.9~gateway.bank~bank.svc.cluster.local"),
              HasSubstr("claims namespace bank but is authenticated in edge"));
  EXPECT_THAT(refusal("sidecar~10.0.0.9~gateway.edge~edge.svc.cluster.local", R"({"NAMESPACE": "bank"})"),
              HasSubstr("claims namespace bank but is authenticated in edge"));
  EXPECT_THAT(refusal("sidecar~10.0.0.9~gateway.bank~bank.svc.cluster.local", R"({"NAMESPACE": "edge"})"),
              HasSubstr("is named as one of namespace bank but is authenticated in edge"));
  EXPECT_THAT(refusal("sidecar~10.0.0.9~gateway.edge~edge.svc.cluster.local", R"({"SERVICE_ACCOUNT": "owner"})"),
              HasSubstr("claims service account owner but is authenticated as caller"));
  EXPECT_THAT(refusal("sidecar~10.0.0.9~shop.edge~edge.svc.cluster.local"),
              HasSubstr("names a pod of service account owner but is authenticated as caller"));
}

TEST(Ads, AGatewayGetsTheSecretsThatItsAccountMayList) {
  Bench bench(true);
  auto got = bench.secrets([](const auto& names, int) { return !names.empty(); });
  EXPECT_EQ(got, std::vector<std::string>{"kubernetes://shop"});
  EXPECT_EQ(bench.asked, std::vector<std::string>{"edge/caller"});
}

TEST(Ads, WhoMayNotListSecretsGetsNoneWhateverItSaysToBe) {
  Bench bench(false);
  auto got = bench.secrets([&](const auto&, int answers) { return answers > 0 && !bench.asked.empty(); });
  EXPECT_TRUE(got.empty());
  EXPECT_EQ(bench.asked, std::vector<std::string>{"edge/caller"});
}

}  // namespace
}  // namespace control
