// SPDX-License-Identifier: Apache-2.0
#include "control/ads.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "http/server.h"
#include "xds/client.h"

namespace control {
namespace {

using namespace std::chrono_literals;

constexpr char kSecret[] = R"yaml(
  apiVersion: v1
  kind: Secret
  metadata: {name: shop, namespace: edge}
  type: kubernetes.io/tls
  data: {tls.crt: Q0VSVA==, tls.key: S0VZ}
)yaml";

// Discovery over a socket, for a caller who proved to be edge/caller and says to be a gateway.
struct Bench {
  explicit Bench(bool allowed) {
    ads.may_read_secrets = [this, allowed](Identity who) -> net::Task<base::Result<bool>> {
      asked.push_back(who.ns + "/" + who.service_account);
      co_return allowed;
    };
    address = server.listen(*net::Address::parse("127.0.0.1", 0)).value();
    loop.post([this] {
      ingest.put(objects::Object(base::parse_yaml(kSecret).value().at(0)));
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
