// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/rest/computed.h"

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/rest/front_harness.h"

// What the server says of itself: kinds that are made when read, health, and what reviews answer.
namespace localkube {
namespace {

TEST_F(FrontTest, SigningRequestsAreListedEmptyAndRefused) {
  const std::string requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  EXPECT_EQ(get(requests).body["items"], Json::array());
  Reply refused = post(requests, R"({"kind":"CertificateSigningRequest","metadata":{"name":"x"},"spec":{}})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_NE(refused.body["message"].get<std::string>().find("no signer runs here"), std::string::npos);
}

TEST_F(FrontTest, ApiServicesAreTheGroupsThatAreServed) {
  const std::string services = "/apis/apiregistration.k8s.io/v1/apiservices";
  Json apps = get(services + "/v1.apps").body;
  EXPECT_EQ(apps["status"]["conditions"][0]["status"], "True");
  EXPECT_EQ(apps["spec"]["group"], "apps");
  EXPECT_EQ(get(services + "/v1.").status, 200);
  EXPECT_EQ(get(services + "/v1.example.org").status, 404);
  ASSERT_EQ(post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                 R"({"metadata":{"name":"things.example.org"},"spec":{"group":"example.org","scope":"Namespaced",)"
                 R"("names":{"kind":"Thing","plural":"things","singular":"thing","listKind":"ThingList"},)"
                 R"("versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":)"
                 R"({"type":"object"}}}]}})")
                .status,
            201);
  EXPECT_EQ(get(services + "/v1.example.org").body["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"],
            "true");
  Reply table =
      get(services + "?fieldSelector=metadata.name%3Dv1.apps", "application/json;as=Table;v=v1;g=meta.k8s.io");
  ASSERT_EQ(table.body["rows"].size(), 1u);
  EXPECT_EQ(table.body["rows"][0]["cells"][1], "Local");
  EXPECT_EQ(post(services, R"({"metadata":{"name":"v1.x"}})").status, 405);
  Json listed = get("/apis/apiregistration.k8s.io/v1").body["resources"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["verbs"], (Json{"get", "list", "watch"}));
}

TEST_F(FrontTest, ApiServicesAreWatched) {
  const std::string services = "/apis/apiregistration.k8s.io/v1/apiservices";
  Json list = get(services).body;
  const std::string version = list["metadata"]["resourceVersion"];
  http::Request from_the_beginning;
  from_the_beginning.path = services + "?watch=1&timeoutSeconds=0";
  auto all = net::run_to_end(loop_, client()->fetch(std::move(from_the_beginning)));
  ASSERT_TRUE(all);
  EXPECT_EQ(std::ranges::count(all->body, '\n'), static_cast<long>(list["items"].size())) << all->body;
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  auto watcher = client();
  std::string seen;
  auto watch = [&]() -> net::Task<void> {
    http::RequestHead head;
    head.path = services + "?watch=1&timeoutSeconds=20&resourceVersion=" + version;
    auto stream = co_await watcher->open(std::move(head));
    if (!stream) co_return;
    (*stream)->finish();
    auto begun = co_await (*stream)->response();
    EXPECT_TRUE(begun && begun->status == 200);
    http::Request made;
    made.method = "POST";
    made.path = crds;
    made.headers.set("content-type", "application/json");
    made.body = R"({"metadata":{"name":"things.example.org"},"spec":{"group":"example.org","scope":"Namespaced",)"
                R"("names":{"kind":"Thing","plural":"things","singular":"thing","listKind":"ThingList"},)"
                R"("versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":)"
                R"({"type":"object"}}}]}})";
    auto writer = client();
    auto answer = co_await writer->fetch(std::move(made));
    EXPECT_TRUE(answer && answer->status == 201);
    auto piece = co_await (*stream)->read();
    if (piece && *piece) seen += **piece;
    http::Request removed;
    removed.method = "DELETE";
    removed.path = crds + "/things.example.org";
    answer = co_await writer->fetch(std::move(removed));
    EXPECT_TRUE(answer && answer->status == 200);
    piece = co_await (*stream)->read();
    if (piece && *piece) seen += **piece;
  };
  net::run_to_end(loop_, watch());
  std::vector<std::string_view> lines = base::split(seen, '\n');
  ASSERT_EQ(lines.size(), 3u) << seen;
  Json added = *base::parse_json(lines[0]), removed = *base::parse_json(lines[1]);
  EXPECT_EQ(added["type"], "ADDED");
  EXPECT_EQ(added["object"]["metadata"]["name"], "v1.example.org");
  EXPECT_FALSE(string_at(added, "object", "metadata", "resourceVersion").empty());
  EXPECT_EQ(removed["type"], "DELETED");
  EXPECT_EQ(removed["object"]["metadata"]["name"], "v1.example.org");
  EXPECT_EQ(get(services + "?watch=1&resourceVersion=" + version).status, 410);
  EXPECT_EQ(get("/api/v1/componentstatuses?watch=1").status, 405);
}

TEST_F(FrontTest, ComputedKindsAreDescribed) {
  Json services = get("/openapi/v3/apis/apiregistration.k8s.io/v1").body;
  Json one = services["components"]["schemas"]["io.k8s.apiregistration.v1.APIService"];
  EXPECT_EQ(one["x-kubernetes-group-version-kind"][0]["kind"], "APIService");
  EXPECT_FALSE(string_at(one, "properties", "spec", "properties", "group", "description").empty());
  Json paths = services["paths"];
  EXPECT_TRUE(paths["/apis/apiregistration.k8s.io/v1/apiservices"].contains("get"));
  EXPECT_FALSE(paths["/apis/apiregistration.k8s.io/v1/apiservices"].contains("post"));
  Json core = get("/openapi/v3/api/v1").body["components"]["schemas"]["io.k8s.api.core.v1.ComponentStatus"];
  EXPECT_FALSE(string_at(core, "properties", "conditions", "description").empty());
  EXPECT_TRUE(get("/openapi/v3").body["paths"].contains("apis/apiregistration.k8s.io/v1"));
}

TEST_F(FrontTest, ComponentsAreLookedAt) {
  const std::string components = "/api/v1/componentstatuses";
  Json store = get(components + "/etcd-0").body;
  EXPECT_EQ(store["conditions"][0]["status"], "True");
  Reply idle = get(components + "/controller-manager");
  EXPECT_EQ(idle.body["conditions"][0]["status"], "False") << "no controllers run here";
  EXPECT_NE(idle.warnings.find("deprecated"), std::string::npos);
  std::filesystem::rename(folder_ + "/store.db", folder_ + "/moved");
  EXPECT_EQ(get(components + "/etcd-0").body["conditions"][0]["status"], "False");
  Reply unready = get("/readyz");
  EXPECT_EQ(unready.status, 500);
  EXPECT_NE(unready.body.get<std::string>().find("[-]etcd failed: "), std::string::npos);
  EXPECT_EQ(get("/readyz?exclude=etcd").status, 200);
  EXPECT_EQ(get("/livez/etcd").status, 500);
  std::filesystem::rename(folder_ + "/moved", folder_ + "/store.db");
  EXPECT_EQ(get("/livez/etcd").body, "ok");
}

TEST_F(FrontTest, HealthListsItsChecks) {
  EXPECT_EQ(get("/readyz").body, "ok");
  EXPECT_EQ(get("/livez?verbose").body,
            "[+]ping ok\n[+]etcd ok\n[+]poststarthook/crd-informer-synced ok\n"
            "[+]poststarthook/start-system-namespaces-controller ok\nlivez check passed\n");
  EXPECT_EQ(get("/readyz/poststarthook/crd-informer-synced").body, "ok");
  EXPECT_EQ(get("/readyz/nothing").status, 404);
  std::string text = get("/healthz?verbose=true&exclude=ping&exclude=x").body;
  EXPECT_TRUE(text.starts_with("[+]ping excluded: ok\n")) << text;
  EXPECT_NE(text.find("no matches for \"x\"\nhealthz check passed\n"), std::string::npos) << text;
}

TEST_F(FrontTest, RequestsAreCounted) {
  get("/api/v1/namespaces/default/pods");
  get("/api/v1/namespaces/default/pods");
  get("/api/v1/namespaces/default/configmaps/none");
  get("/apis/nothing/v1/things");
  const std::string apply = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}})";
  send("PATCH", "/api/v1/namespaces/default/configmaps/c?fieldManager=me", apply, "application/apply-patch+yaml");
  std::string text = get("/metrics").body;
  auto series = [](const char* code, const char* resource, const char* scope, const char* verb) {
    return std::string("apiserver_request_total{code=\"") + code + "\",component=\"apiserver\",group=\"\",resource=\"" +
           resource + "\",scope=\"" + scope + "\",subresource=\"\",verb=\"" + verb + "\",version=\"v1\"} ";
  };
  EXPECT_NE(text.find("# TYPE apiserver_request_total counter\n"), std::string::npos) << text;
  EXPECT_NE(text.find(series("200", "pods", "namespace", "LIST") + "2\n"), std::string::npos) << text;
  EXPECT_NE(text.find(series("404", "configmaps", "resource", "GET") + "1\n"), std::string::npos) << text;
  EXPECT_NE(text.find(series("404", "", "", "GET") + "1\n"), std::string::npos) << text;
  EXPECT_NE(text.find(series("201", "configmaps", "resource", "APPLY") + "1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("apiserver_storage_objects{resource=\"configmaps\"} 1\n"), std::string::npos) << text;
  size_t memory = text.find("\nprocess_resident_memory_bytes ");
  ASSERT_NE(memory, std::string::npos);
  EXPECT_GT(std::stod(text.substr(memory + 31)), 1e6);
  http::Request stranger;
  stranger.path = "/metrics";
  EXPECT_EQ(ask(std::move(stranger), false).status, 403);
}

TEST_F(FrontTest, ReviewsDropFieldsThatNobodyKnows) {
  const std::string review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  const std::string body =
      R"({"spec":{"resourceAttributes":{"verb":"get","resource":"pods","colour":"red"}},"weather":1})";
  Reply answer = post(review, body);
  ASSERT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body["status"]["allowed"], true);
  EXPECT_FALSE(answer.body.contains("weather"));
  EXPECT_FALSE(answer.body["spec"]["resourceAttributes"].contains("colour"));
  EXPECT_NE(answer.warnings.find("spec.resourceAttributes.colour"), std::string::npos) << answer.warnings;
  EXPECT_EQ(post(review + "?fieldValidation=Ignore", body).warnings, "");
  EXPECT_EQ(post(review + "?fieldValidation=Strict", body).status, 400);
  EXPECT_EQ(post(review, "[]").status, 400);
}

TEST_F(FrontTest, ReviewsThatAskNothingOrOfNobodyAreRefused) {
  const std::string api = "/apis/authorization.k8s.io/v1/";
  const std::string wish = R"("resourceAttributes":{"verb":"get","resource":"pods"})";
  EXPECT_EQ(post(api + "selfsubjectaccessreviews", "{}").status, 422);
  EXPECT_EQ(
      post(api + "selfsubjectaccessreviews", R"({"spec":{)" + wish + R"(,"nonResourceAttributes":{"path":"/x"}}})")
          .status,
      422);
  Reply nobody = post(api + "subjectaccessreviews", R"({"spec":{)" + wish + "}}");
  EXPECT_EQ(nobody.status, 422);
  EXPECT_NE(nobody.body["message"].get<std::string>().find("at least one of user or group must be specified"),
            std::string::npos);
  EXPECT_EQ(post(api + "subjectaccessreviews", R"({"spec":{"user":"me",)" + wish + "}}").status, 201);
  const std::string local = api + "namespaces/default/localsubjectaccessreviews";
  EXPECT_EQ(
      post(local,
           R"({"spec":{"user":"me","resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"}}})")
          .status,
      201);
  EXPECT_EQ(post(local, R"({"metadata":{"namespace":"other"},"spec":{"user":"me",)" + wish + "}}").status, 400);
  EXPECT_EQ(post(api + "selfsubjectrulesreviews", R"({"spec":{}})").status, 400);
}

TEST_F(FrontTest, StrangersLearnWhetherAllIsWellAndNotMore) {
  auto ask_as_stranger = [&](const std::string& path) {
    http::Request request;
    request.path = path;
    return ask(std::move(request), false);
  };
  EXPECT_EQ(ask_as_stranger("/readyz").status, 200);
  EXPECT_EQ(ask_as_stranger("/readyz/etcd").status, 403);
  std::filesystem::rename(folder_ + "/store.db", folder_ + "/moved");
  Reply unready = ask_as_stranger("/readyz?verbose");
  std::filesystem::rename(folder_ + "/moved", folder_ + "/store.db");
  EXPECT_EQ(unready.status, 500);
  EXPECT_NE(unready.body.get<std::string>().find("[-]etcd failed: reason withheld\n"), std::string::npos);
}

}  // namespace
}  // namespace localkube
