// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/front.h"

#include <malloc.h>

#include "base/strings.h"
#include "localkube/api/rest/front_harness.h"

namespace localkube {
namespace {

const std::string kMaps = "/api/v1/namespaces/default/configmaps";
const std::string kMapA = kMaps + "/a";

TEST_F(FrontTest, StrangersSeeTheVersionAndNothingElse) {
  http::Request version;
  version.path = "/version";
  EXPECT_EQ(ask(std::move(version), false).body["minor"], "33");
  http::Request pods;
  pods.path = "/api/v1/namespaces/default/pods";
  Reply refused = ask(std::move(pods), false);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(
      refused.body["message"],
      "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace "
      "\"default\"");
  EXPECT_EQ(get(kMaps, "application/json", "x.y.z").status, 401);
}

TEST_F(FrontTest, AServiceAccountsTokenIsGoodWhileTheAccountIs) {
  TokenOrder order{.ns = "default",
                   .service_account = "default",
                   .audiences = {},
                   .lifetime = std::chrono::seconds(3600),
                   .pod_name = {},
                   .pod_uid = {}};
  auto token = server_->issue_token(order);
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(get("/api/v1", "application/json", token->text).status, 200);
  EXPECT_EQ(get(kMaps, "application/json", token->text).status, 403) << "nothing grants it that";
  order.audiences = {"istio-ca"};
  auto other = server_->issue_token(order);
  EXPECT_EQ(get(kMaps, "application/json", other->text).status, 401) << "meant for somebody else";
  Json review = {{"spec", {{"token", other->text}, {"audiences", {"istio-ca"}}}}};
  Reply answer = post("/apis/authentication.k8s.io/v1/tokenreviews", review.dump());
  EXPECT_EQ(answer.body["status"]["user"]["username"], "system:serviceaccount:default:default");
  EXPECT_EQ(answer.body["status"]["audiences"], Json::array({"istio-ca"}));
  send("DELETE", "/api/v1/namespaces/default/serviceaccounts/default", "", "application/json");
  EXPECT_EQ(get("/api/v1", "application/json", token->text).status, 401);
}

TEST_F(FrontTest, WhoIsImpersonatedIsSoWithUidAndExtrasOrNotAtAll) {
  const char* review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  auto as_bob = [&](const std::string& header, const std::string& value, const std::string& token) {
    http::Request request;
    request.method = "POST";
    request.path = review;
    request.body = "{}";
    request.headers.set("content-type", "application/json");
    request.headers.set("impersonate-user", "bob");
    request.headers.set(header, value);
    if (!token.empty()) request.headers.set("authorization", "Bearer " + token);
    return ask(std::move(request), token.empty());
  };
  EXPECT_EQ(as_bob("Impersonate-Uid", "7", "").body["status"]["userInfo"]["uid"], "7");
  EXPECT_EQ(as_bob("Impersonate-Extra-acme.com%2Fteam", "blue", "").body["status"]["userInfo"]["extra"],
            Json({{"acme.com/team", {"blue"}}}));
  EXPECT_EQ(as_bob("Impersonate-Extra-", "blue", "").status, 400);
  // Who may impersonate users may not make up the rest.
  const std::string rbac = "/apis/rbac.authorization.k8s.io/v1";
  ASSERT_EQ(post(rbac + "/clusterroles", R"({"metadata":{"name":"i"},"rules":[
                   {"apiGroups":[""],"resources":["users"],"verbs":["impersonate"]}]})")
                .status,
            201);
  ASSERT_EQ(post(rbac + "/clusterrolebindings", R"({"metadata":{"name":"i"},
                   "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"i"},
                   "subjects":[{"kind":"ServiceAccount","name":"default","namespace":"default"}]})")
                .status,
            201);
  TokenOrder order{.ns = "default",
                   .service_account = "default",
                   .audiences = {},
                   .lifetime = std::chrono::seconds(3600),
                   .pod_name = {},
                   .pod_uid = {}};
  auto token = server_->issue_token(order);
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(as_bob("accept", "application/json", token->text).status, 201);
  auto refused = [&](const char* header, const char* what) {
    Reply reply = as_bob(header, "a", token->text);
    EXPECT_EQ(reply.status, 403) << header;
    EXPECT_NE(reply.body["message"].get<std::string>().find(what), std::string::npos) << reply.body;
  };
  refused("Impersonate-Extra-Team", "resource \"userextras/team\" in API group \"authentication.k8s.io\"");
  refused("Impersonate-Uid", "resource \"uids\" in API group \"authentication.k8s.io\"");
}

TEST_F(FrontTest, KeysAreNamesOfFiles) {
  for (const char* key : {"..", ".", "..data", "a/b", "a b", ""}) {
    Reply refused = post(kMaps, Json({{"metadata", {{"name", "k"}}}, {"data", {{key, "x"}}}}).dump());
    EXPECT_EQ(refused.status, 422) << key;
    EXPECT_NE(refused.body["message"].get<std::string>().find("data[" + std::string(key) + "]: Invalid value: \""),
              std::string::npos)
        << refused.body;
  }
  Json secret = {{"metadata", {{"name", "k"}}}, {"data", {{"..x", "eA=="}}}};
  EXPECT_EQ(post("/api/v1/namespaces/default/secrets", secret.dump()).status, 422);
  EXPECT_EQ(post(kMaps, R"({"metadata":{"name":"k"},"data":{".a..b_C-1":"x"}})").status, 201);
}

TEST_F(FrontTest, EphemeralContainersAreNotForPlainWritesOfAPod) {
  const std::string pods = "/api/v1/namespaces/default/pods";
  const std::string more = R"("ephemeralContainers":[{"name":"e","image":"busybox"}])";
  const std::string own = R"("containers":[{"name":"c","image":"busybox"}])";
  Reply made = post(pods, R"({"metadata":{"name":"p"},"spec":{)" + own + "," + more + "}}");
  EXPECT_EQ(made.status, 422);
  EXPECT_EQ(made.body["message"], "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: cannot be set on create");
  ASSERT_EQ(post(pods, R"({"metadata":{"name":"p"},"spec":{)" + own + "}}").status, 201);
  for (const char* type : {"application/merge-patch+json", "application/strategic-merge-patch+json"}) {
    Reply refused = send("PATCH", pods + "/p", R"({"spec":{)" + more + "}}", type);
    EXPECT_EQ(refused.status, 422);
    EXPECT_NE(refused.body["message"].get<std::string>().find("spec: Forbidden: pod updates may not change fields"),
              std::string::npos)
        << refused.body;
  }
}

TEST_F(FrontTest, StrictFieldValidationNamesTheField) {
  Reply refused = post(kMaps + "?fieldValidation=Strict", R"({"metadata":{"name":"u"},"dat":1})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(
      refused.body["message"],
      "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\"");
  EXPECT_EQ(post(kMaps + "?fieldValidation=Ignore", R"({"metadata":{"name":"u"},"dat":1})").status, 201);
}

TEST_F(FrontTest, OptionsThatCannotBeMeantAreRefused) {
  for (const char* query : {"watch=maybe", "dryRun=some", "resourceVersion=-1", "watch=1&resourceVersion=-1"})
    EXPECT_EQ(get(kMaps + "?" + query).status, 400) << query;
  for (const char* query : {"resourceVersionMatch=Newest&resourceVersion=1", "resourceVersionMatch=Exact",
                            "resourceVersionMatch=NotOlderThan&resourceVersion=1&watch=1"})
    EXPECT_EQ(get(kMaps + "?" + query).status, 422) << query;
  EXPECT_EQ(get(kMaps + "?resourceVersionMatch=NotOlderThan&resourceVersion=0&watch=false").status, 200);
  EXPECT_EQ(get(kMaps + "?resourceVersionMatch=Exact&resourceVersion=1").status, 410) << "old states are not kept";
  const std::string a = R"({"metadata":{"name":"a"}})";
  EXPECT_EQ(post(kMaps + "?dryRun=some", a).status, 422);
  EXPECT_EQ(post(kMaps + "?fieldValidation=Some", a).status, 422);
  EXPECT_EQ(post(kMaps + "?fieldManager=" + std::string(129, 'm'), a).status, 422);
  http::Request zipped;
  zipped.method = "POST";
  zipped.path = kMaps;
  zipped.headers.set("content-encoding", "gzip");
  zipped.body = "\x1f\x8b";
  EXPECT_EQ(ask(std::move(zipped)).status, 415);
}

TEST_F(FrontTest, LogOptionsOutOfRangeAreRefused) {
  ASSERT_EQ(post("/api/v1/namespaces/default/pods",
                 R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"busybox"}]}})")
                .status,
            201);
  struct NoStreams : PodStreams {
    net::Task<Answer<net::Queue<std::string>>> logs(std::string, std::string, LogOptions) override {
      net::Queue<std::string> none;
      none.close();
      co_return none;
    }
    net::Task<Answer<Process>> exec(std::string, std::string, ExecOptions) override {
      co_return std::unexpected(Refusal{503, "ServiceUnavailable", "none", {}});
    }
    net::Task<Dialled> dial(std::string, std::string, uint16_t) override {
      co_return base::fail(base::ErrorKind::Unavailable, "none");
    }
    Answer<std::string> dial_address(std::string_view, std::string_view, uint16_t) const override {
      return std::unexpected(Refusal{503, "ServiceUnavailable", "none", {}});
    }
  } streams;
  server_->set_pod_streams(streams);
  const std::string log = "/api/v1/namespaces/default/pods/p/log?";
  for (const char* query : {"tailLines=-1", "sinceSeconds=-1", "sinceSeconds=0", "limitBytes=0",
                            "sinceSeconds=5&sinceTime=2026-01-02T00:00:00Z"})
    EXPECT_EQ(get(log + query).status, 422) << query;
  for (const char* query : {"sinceTime=x", "tailLines=x"}) EXPECT_EQ(get(log + query).status, 400) << query;
  EXPECT_EQ(get(log + "tailLines=0&sinceTime=2026-01-02T00:00:00Z").status, 200);
}

// One that answers for every pod.
struct OnePod : PodStreams {
  std::string at;             // "127.0.0.1:8080"
  mutable std::string asked;  // "NAMESPACE/POD:PORT", the last one
  net::Task<Answer<net::Queue<std::string>>> logs(std::string, std::string, LogOptions) override {
    co_return std::unexpected(Refusal{503, "ServiceUnavailable", "none", {}});
  }
  net::Task<Answer<Process>> exec(std::string, std::string, ExecOptions) override {
    co_return std::unexpected(Refusal{503, "ServiceUnavailable", "none", {}});
  }
  net::Task<Dialled> dial(std::string, std::string, uint16_t) override {
    co_return base::fail(base::ErrorKind::Unavailable, "none");
  }
  Answer<std::string> dial_address(std::string_view ns, std::string_view pod, uint16_t port) const override {
    asked = std::string(ns) + "/" + std::string(pod) + ":" + std::to_string(port);
    return at;
  }
};

// What a pod says goes through piece by piece: a client that reads nothing holds it up.
TEST_F(FrontTest, TheProxyToAPodGathersNothingOfItsAnswer) {
  ASSERT_EQ(post("/api/v1/namespaces/default/pods",
                 R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"busybox"}]}})")
                .status,
            201);
  size_t sent = 0;
  std::string asked;
  const size_t kWhole = 96u << 20;
  http::Server pod(loop_, [&](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    auto body = co_await exchange->read_all(1000);
    asked = exchange->request().method + " " + exchange->request().path + " " + body.value_or("?");
    http::ResponseHead head;
    head.headers.set("content-length", std::to_string(kWhole));
    exchange->start(std::move(head));
    for (; sent < kWhole; sent += 1u << 20) {
      auto written = co_await exchange->write(std::string(1u << 20, 'x'));
      if (!written) co_return;
    }
    exchange->finish();
  });
  auto address = pod.listen(*net::Address::parse("127.0.0.1", 0));
  ASSERT_TRUE(address);
  OnePod streams;
  streams.at = "127.0.0.1:" + std::to_string(address->port());
  server_->set_pod_streams(streams);

  auto from = client();
  http::RequestHead head;
  head.method = "POST";
  head.path = "/api/v1/namespaces/default/pods/p:80/proxy/deep?x=1";
  head.headers.set("content-length", "4");
  auto through = [&]() -> net::Task<size_t> {
    auto stream = co_await from->open(std::move(head));
    EXPECT_TRUE(stream);
    auto said = co_await (*stream)->write("body");
    EXPECT_TRUE(said);
    (*stream)->finish();
    auto answer = co_await (*stream)->response();
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    // Time for the pod to send what it can, while nothing is read here.
    for (size_t before = 0; before != sent || sent == 0;) {
      before = sent;
      co_await net::sleep(loop_, std::chrono::milliseconds(50));
    }
    EXPECT_LT(sent, 48u << 20);
    size_t bytes = 0;
    for (;;) {
      auto piece = co_await (*stream)->read();
      EXPECT_TRUE(piece);
      if (!piece || !*piece) break;
      bytes += (*piece)->size();
    }
    co_return bytes;
  };
  EXPECT_EQ(net::run_to_end(loop_, through()), kWhole);
  EXPECT_EQ(asked, "POST /deep?x=1 body");
}

TEST_F(FrontTest, TheProxyToAServiceAsksAPodOfIt) {
  ASSERT_EQ(post("/api/v1/namespaces/default/services",
                 R"({"metadata":{"name":"s"},"spec":{"ports":[{"name":"web","port":80,"targetPort":8000}]}})")
                .status,
            201);
  const std::string slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  ASSERT_EQ(post(slices, R"({"metadata":{"name":"s-1","labels":{"kubernetes.io/service-name":"s"}},"addressType":"IPv4",
                             "ports":[{"name":"web","port":8000}],"endpoints":[
                               {"addresses":["10.1.1.1"],"conditions":{"ready":false},"targetRef":{"kind":"Pod","name":"late"}},
                               {"addresses":["10.1.1.2"],"targetRef":{"kind":"Pod","name":"p"}}]})")
                .status,
            201);
  http::Server pod(loop_, [](std::shared_ptr<http::Exchange> exchange) -> net::Task<void> {
    exchange->respond(200, "\"" + exchange->request().path + "\"");
    co_return;
  });
  auto address = pod.listen(*net::Address::parse("127.0.0.1", 0));
  ASSERT_TRUE(address);
  OnePod streams;
  streams.at = "127.0.0.1:" + std::to_string(address->port());
  server_->set_pod_streams(streams);
  const std::string services = "/api/v1/namespaces/default/services/";
  for (const char* name : {"s:web", "s:80", "s", "http:s:web"}) {
    Reply answer = get(services + name + "/proxy/deep?x=1");
    EXPECT_EQ(answer.status, 200) << name;
    EXPECT_EQ(answer.body, "/deep?x=1");
    EXPECT_EQ(streams.asked, "default/p:8000");
  }
  EXPECT_EQ(get(services + "s:81/proxy/").status, 503);
  EXPECT_EQ(get(services + "https:s:web/proxy/").status, 400);
  EXPECT_EQ(get(services + "none:80/proxy/").status, 404);
}

TEST_F(FrontTest, ATokenIsNotIssuedForAnOrderThatIsMisshapen) {
  const std::string account = "/api/v1/namespaces/default/serviceaccounts/default/token";
  for (const char* spec : {"5", R"({"audiences":"x"})", R"({"audiences":[5]})", R"({"expirationSeconds":"x"})",
                           R"({"boundObjectRef":"x"})", R"({"boundObjectRef":{"kind":"Secret","name":"s"}})"})
    EXPECT_EQ(post(account, std::string(R"({"spec":)") + spec + "}").status, 400) << spec;
  EXPECT_EQ(post(account, R"({"spec":{"audiences":["x"],"boundObjectRef":null}})").status, 201);
}

TEST_F(FrontTest, AnEvictionTakesAPlaceInTheBudgetOrWaits) {
  const std::string pods = "/api/v1/namespaces/default/pods", policy = "/apis/policy/v1/namespaces/default/";
  for (const char* name : {"a", "b"}) {
    std::string body = std::string(R"({"metadata":{"name":")") + name +
                       R"(","labels":{"app":"x"}},"spec":{"containers":[{"name":"c","image":"i"}]}})";
    ASSERT_EQ(post(pods, body).status, 201);
    const char* status = R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})";
    ASSERT_EQ(send("PATCH", pods + "/" + name + "/status", status, "application/merge-patch+json").status, 200);
  }
  ASSERT_EQ(post(policy + "poddisruptionbudgets",
                 R"({"metadata":{"name":"p"},"spec":{"minAvailable":1,)"
                 R"("selector":{"matchExpressions":[{"key":"app","operator":"In","values":["x"]}]}}})")
                .status,
            201);
  auto evict = [&](const std::string& name) {
    return post(pods + "/" + name + "/eviction",
                R"({"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":")" + name + R"("}})");
  };
  EXPECT_EQ(evict("a").status, 429) << "nobody has counted yet";
  ASSERT_EQ(send("PATCH", policy + "poddisruptionbudgets/p/status",
                 R"({"status":{"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1}})",
                 "application/merge-patch+json")
                .status,
            200);
  EXPECT_EQ(evict("a").status, 201);
  Json status = get(policy + "poddisruptionbudgets/p").body["status"];
  EXPECT_EQ(status["disruptionsAllowed"], 0);
  EXPECT_TRUE(status["disruptedPods"].contains("a")) << status.dump();
  Reply waits = evict("b");
  EXPECT_EQ(waits.status, 429);
  EXPECT_EQ(waits.body["details"]["causes"][0]["message"],
            "The disruption budget p needs 1 healthy pods and has 2 currently");
}

TEST_F(FrontTest, KindsThatAreNotThereAreListedEmptyAndCannotBeMade) {
  const std::string controllers = "/api/v1/namespaces/default/replicationcontrollers";
  Reply list = get(controllers);
  EXPECT_EQ(list.status, 200);
  EXPECT_EQ(list.body["items"], Json::array());
  EXPECT_EQ(get("/api/v1/persistentvolumes").status, 200);
  EXPECT_EQ(post(controllers, R"({"metadata":{"name":"x"},"spec":{}})").status, 422);
}

TEST_F(FrontTest, AKindThatNothingActsOnIsStoredWithAWarning) {
  const std::string name = R"({"metadata":{"name":"x"},"spec":)";
  Reply idle = post("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
                    name + R"({"podSelector":{},"policyTypes":["Ingress"]}})");
  EXPECT_EQ(idle.status, 201);
  EXPECT_EQ(idle.warnings, R"(299 - "NetworkPolicy is stored, but nothing acts on it in this one-machine cluster")");
  Reply acts = post(kMaps, R"({"metadata":{"name":"x"}})");
  EXPECT_EQ(acts.status, 201);
  EXPECT_EQ(acts.warnings, "");
}

TEST_F(FrontTest, ALongListComesInPages) {
  for (char name : {'a', 'b', 'c'})
    ASSERT_EQ(post(kMaps, R"({"metadata":{"name":")" + std::string(1, name) + R"("}})").status, 201);
  Reply first = get(kMaps + "?limit=2");
  ASSERT_EQ(first.body["items"].size(), 2u);
  EXPECT_EQ(first.body["metadata"]["remainingItemCount"], 1);
  Reply second = get(kMaps + "?limit=2&continue=" + first.body["metadata"]["continue"].get<std::string>());
  ASSERT_EQ(second.body["items"].size(), 1u);
  EXPECT_EQ(second.body["items"][0]["metadata"]["name"], "c");
  EXPECT_EQ(second.body["metadata"]["resourceVersion"], first.body["metadata"]["resourceVersion"]);
}

TEST_F(FrontTest, ATableHasTheColumnsThatKubectlPrints) {
  ASSERT_EQ(post("/api/v1/namespaces/default/services",
                 R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":80}],"type":"LoadBalancer"}})")
                .status,
            201);
  Reply table =
      get("/api/v1/namespaces/default/services", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
  std::vector<std::string> names;
  for (const Json& column : table.body["columnDefinitions"]) names.push_back(column["name"]);
  EXPECT_EQ(names,
            (std::vector<std::string>{"Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"}));
  EXPECT_EQ(table.body["rows"][0]["cells"][3], "<pending>");
  EXPECT_EQ(get(kMaps, "text/plain").status, 406);
}

net::Task<std::vector<Json>> watch(http::Client& client, std::string path, size_t count) {
  std::vector<Json> events;
  http::RequestHead head;
  head.path = path;
  auto stream = co_await client.open(std::move(head));
  if (!stream) co_return events;
  (*stream)->finish();
  auto response = co_await (*stream)->response();
  std::string buffer;
  while (response && events.size() < count) {
    auto piece = co_await (*stream)->read();
    if (!piece || !*piece) break;
    buffer += **piece;
    for (size_t end; (end = buffer.find('\n')) != buffer.npos; buffer.erase(0, end + 1))
      if (auto event = base::parse_json(std::string_view(buffer).substr(0, end))) events.push_back(std::move(*event));
  }
  co_return events;
}

TEST_F(FrontTest, AWatchGoesOnWhereItStoppedAlsoAfterARestartOfTheServer) {
  Reply made = post(kMaps, R"({"metadata":{"name":"a","labels":{"l":"1"}}})");
  std::string version = made.body["metadata"]["resourceVersion"];
  send("PATCH", kMapA, R"({"data":{"x":"1"}})", "application/merge-patch+json");
  send("PATCH", kMapA, R"({"metadata":{"labels":null}})", "application/merge-patch+json");
  send("DELETE", kMapA, "", "application/json");
  start();
  auto from = client();
  auto events =
      net::run_to_end(loop_, watch(*from, kMaps + "?watch=true&labelSelector=l&resourceVersion=" + version, 2));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["type"], "MODIFIED");
  EXPECT_EQ(events[0]["object"]["data"]["x"], "1");
  EXPECT_EQ(events[1]["type"], "DELETED") << "it left the selection";
  EXPECT_EQ(events[1]["object"]["metadata"]["labels"]["l"], "1");
}

TEST_F(FrontTest, AWatchFromAVersionThatIsForgottenIsToldSo) {
  Reply made = post(kMaps, R"({"metadata":{"name":"a"}})");
  for (int i = 0; i < 30; ++i)
    send("PATCH", kMapA, Json{{"data", {{"x", std::to_string(i)}}}}.dump(), "application/merge-patch+json");
  auto from = client();
  std::string version = made.body["metadata"]["resourceVersion"];
  auto events = net::run_to_end(loop_, watch(*from, kMaps + "?watch=true&resourceVersion=" + version, 1));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "ERROR");
  EXPECT_EQ(events[0]["object"]["code"], 410);
  EXPECT_EQ(events[0]["object"]["reason"], "Expired");
}

net::Task<std::unique_ptr<http::ClientStream>> open_watch(http::Client& client, std::string path) {
  http::RequestHead head;
  head.path = path;
  auto stream = co_await client.open(std::move(head));
  if (!stream) co_return nullptr;
  (*stream)->finish();
  auto response = co_await (*stream)->response();
  if (!response || response->status != 200) co_return nullptr;
  co_return std::move(*stream);
}

net::Task<std::string> read_to_end(http::ClientStream& stream) {
  std::string all;
  for (;;) {
    auto piece = co_await stream.read();
    if (!piece || !*piece) co_return all;
    all += **piece;
  }
}

std::vector<Json> events_in(const std::string& text) {
  std::vector<Json> events;
  for (std::string_view line : base::split(text, '\n'))
    if (auto event = base::parse_json(line)) events.push_back(std::move(*event));
  return events;
}

TEST_F(FrontTest, AWatchThatIsTooFarBehindEndsAndGoesOnFromItsLastVersion) {
  watch_history_ = 1000;
  watch_bytes_ = 256u << 10;
  start();
  Reply made = post(kMaps, R"({"metadata":{"name":"a"}})");
  auto from = client();
  std::string path = kMaps + "?watch=true&resourceVersion=";
  auto stream =
      net::run_to_end(loop_, open_watch(*from, path + made.body["metadata"]["resourceVersion"].get<std::string>()));
  ASSERT_NE(stream, nullptr);
  const int writes = 45;
  for (int i = 1; i <= writes; ++i)
    ASSERT_EQ(send("PATCH", kMapA, Json{{"data", {{"n", std::to_string(i)}, {"x", std::string(400'000, 'x')}}}}.dump(),
                   "application/merge-patch+json")
                  .status,
              200);
  auto events = events_in(net::run_to_end(loop_, read_to_end(*stream)));
  ASSERT_FALSE(events.empty());
  ASSERT_LT(events.size(), static_cast<size_t>(writes)) << "18 MB cannot have waited";
  EXPECT_EQ(events.back()["object"]["data"]["n"], std::to_string(events.size())) << "none is left out in between";
  std::string last = events.back()["object"]["metadata"]["resourceVersion"];
  auto again = client();
  auto rest = net::run_to_end(loop_, watch(*again, path + last, writes - events.size()));
  ASSERT_EQ(events.size() + rest.size(), static_cast<size_t>(writes));
  EXPECT_EQ(rest.back()["object"]["data"]["n"], std::to_string(writes));
}

TEST_F(FrontTest, WatchesOfOneKindShareTheTextOfAnEvent) {
  ASSERT_EQ(post(kMaps, R"({"metadata":{"name":"a"}})").status, 201);
  std::vector<std::unique_ptr<http::Client>> clients;
  std::vector<std::unique_ptr<http::ClientStream>> streams;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(client());
    streams.push_back(net::run_to_end(loop_, open_watch(*clients.back(), kMaps + "?watch=true")));
    ASSERT_NE(streams.back(), nullptr);
  }
  auto allocated = [] {
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  const size_t before = allocated();
  for (int i = 0; i < 6; ++i)
    ASSERT_EQ(send("PATCH", kMapA, Json{{"data", {{"x", std::string(900'000, static_cast<char>('a' + i))}}}}.dump(),
                   "application/merge-patch+json")
                  .status,
              200);
  EXPECT_LT(allocated() - before, 80u << 20) << "a copy for each watch would be 216 MB";
}

}  // namespace
}  // namespace localkube
