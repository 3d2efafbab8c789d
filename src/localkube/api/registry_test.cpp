// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/registry.h"

#include <gtest/gtest.h>

#include "base/testing/folder.h"
#include "localkube/api/server.h"

namespace localkube {
namespace {

const objects::Resource kNamespaces{"", "v1", "namespaces"};
const objects::Resource kPods{"", "v1", "pods"};
const objects::Resource kServices{"", "v1", "services"};
const objects::Resource kConfigMaps{"", "v1", "configmaps"};
const objects::Resource kAccounts{"", "v1", "serviceaccounts"};
const objects::Resource kDeployments{"apps", "v1", "deployments"};
const objects::Resource kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

Json json(std::string_view text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Json();
}

// A whole API server on a state folder of its own, used in process.
class RegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    reopen();
    ASSERT_TRUE(create(kAccounts, R"({"metadata":{"name":"default","namespace":"default"}})"));
  }
  void reopen() {
    server_.reset();
    ApiServerOptions options;
    options.state_dir = folder_;
    auto opened = ApiServer::open(loop_, options);
    ASSERT_TRUE(opened) << opened.error().message;
    server_ = std::move(*opened);
  }
  Api& api() { return server_->api(); }

  Answer<objects::Object> create(const objects::Resource& resource, std::string_view text) {
    return net::run_to_end(loop_, api().create(resource, objects::Object(json(text))));
  }
  Answer<objects::Object> update(const objects::Resource& resource, objects::Object object) {
    return net::run_to_end(loop_, api().update(resource, std::move(object)));
  }
  Answer<objects::Object> patch(const objects::Resource& resource, const std::string& name, PatchType type,
                                std::string_view text, std::string subresource = {}) {
    return net::run_to_end(loop_, api().patch(resource, "default", name, type, json(text), std::move(subresource)));
  }
  Answer<objects::Object> remove(const objects::Resource& resource, const std::string& name) {
    return net::run_to_end(loop_, api().remove(resource, "default", name, std::nullopt));
  }

  net::Loop loop_;
  base::TestFolder own_;
  std::string folder_ = own_.path();
  std::unique_ptr<ApiServer> server_;
};

TEST_F(RegistryTest, APodIsStoredWithWhatAServerAdds) {
  auto pod = create(
      kPods,
      R"({"metadata":{"name":"p","namespace":"default"},"spec":{"containers":[{"name":"c","image":"nginx:1.2"}]}})");
  ASSERT_TRUE(pod) << pod.error().message;
  const Json& spec = pod->json()["spec"];
  EXPECT_EQ(spec["serviceAccountName"], "default");
  EXPECT_EQ(spec["restartPolicy"], "Always");
  EXPECT_EQ(spec["containers"][0]["imagePullPolicy"], "IfNotPresent");
  EXPECT_EQ(spec["containers"][0]["volumeMounts"][0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
  EXPECT_EQ(pod->json()["status"], json(R"({"phase":"Pending","qosClass":"BestEffort"})"));
  EXPECT_EQ(pod->generation(), 1);
  EXPECT_FALSE(pod->uid().empty());
}

TEST_F(RegistryTest, ServicesGetAddressesOfTheirOwnAndGiveThemBack) {
  auto text = [](const char* name, const char* more) {
    return std::string(R"({"metadata":{"name":")") + name +
           R"(","namespace":"default"},"spec":{"ports":[{"port":80}])" + more + "}}";
  };
  auto a = create(kServices, text("a", R"(,"type":"NodePort")"));
  auto b = create(kServices, text("b", ""));
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->json()["spec"]["clusterIP"], b->json()["spec"]["clusterIP"]);
  EXPECT_EQ(a->json()["spec"]["ports"][0]["targetPort"], 80);
  int port = a->json()["spec"]["ports"][0]["nodePort"];
  EXPECT_GE(port, 30000);
  EXPECT_LE(port, 32767);
  std::string again = R"(,"clusterIP":)" + a->json()["spec"]["clusterIP"].dump();
  auto taken = create(kServices, text("c", again.c_str()));
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("provided IP is already allocated"), std::string::npos);
  reopen();  // who holds what is known after a restart too
  EXPECT_FALSE(create(kServices, text("c", again.c_str())));
  ASSERT_TRUE(remove(kServices, "a"));
  EXPECT_TRUE(create(kServices, text("c", again.c_str())));
}

TEST_F(RegistryTest, AStaleUpdateIsAConflictAndAnUpdateWithoutVersionIsNot) {
  auto made = create(kConfigMaps, R"({"metadata":{"name":"c","namespace":"default"},"data":{"a":"1"}})");
  ASSERT_TRUE(made);
  objects::Object old = *made;
  made->json()["data"]["a"] = "2";
  auto newer = update(kConfigMaps, *made);
  ASSERT_TRUE(newer);
  EXPECT_NE(newer->resource_version(), old.resource_version());
  old.json()["data"]["a"] = "3";
  auto stale = update(kConfigMaps, old);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, 409);
  old.json()["metadata"].erase("resourceVersion");
  EXPECT_TRUE(update(kConfigMaps, old));
  auto same = update(kConfigMaps, *api().get(kConfigMaps, "default", "c"));
  EXPECT_EQ(same->resource_version(), api().get(kConfigMaps, "default", "c")->resource_version())
      << "no change, no version";
}

TEST_F(RegistryTest, AWatchTellsWhatIsThereAndThenEachChangeInOrder) {
  ASSERT_TRUE(create(kConfigMaps, R"({"metadata":{"name":"a","namespace":"default"}})"));
  std::vector<std::string> seen;
  auto handle = api().watch(kConfigMaps, [&](const Change& change) {
    seen.push_back(std::string(change.type == Change::Type::Added      ? "+"
                               : change.type == Change::Type::Modified ? "~"
                                                                       : "-") +
                   std::string(change.object.name()));
  });
  EXPECT_TRUE(seen.empty()) << "never from within a call";
  ASSERT_TRUE(create(kConfigMaps, R"({"metadata":{"name":"b","namespace":"default"}})"));
  ASSERT_TRUE(patch(kConfigMaps, "a", PatchType::Merge, R"({"data":{"x":"1"}})"));
  ASSERT_TRUE(remove(kConfigMaps, "b"));
  EXPECT_EQ(seen, (std::vector<std::string>{"+a", "+b", "~a", "-b"}));
  handle.reset();
  ASSERT_TRUE(remove(kConfigMaps, "a"));
  EXPECT_EQ(seen.size(), 4u);
}

TEST_F(RegistryTest, NamespacesHaveToExistAndEndOnlyWhenTheyAreEmptied) {
  auto nowhere = create(kConfigMaps, R"({"metadata":{"name":"c","namespace":"team"}})");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().message, "namespaces \"team\" not found");
  ASSERT_TRUE(create(kNamespaces, R"({"metadata":{"name":"team"}})"));
  ASSERT_TRUE(remove(kNamespaces, "team"));
  auto late = create(kConfigMaps, R"({"metadata":{"name":"c","namespace":"team"}})");
  ASSERT_FALSE(late);
  EXPECT_EQ(
      late.error().message,
      "configmaps \"c\" is forbidden: unable to create new content in namespace team because it is being terminated");
  EXPECT_TRUE(api().get(kNamespaces, "", "team")->deleting());
  ASSERT_TRUE(patch(kNamespaces, "team", PatchType::Merge, R"({"spec":{"finalizers":[]}})", "finalize"));
  EXPECT_FALSE(api().get(kNamespaces, "", "team"));
}

TEST_F(RegistryTest, FinalizersHoldAnObjectUntilTheLastIsGone) {
  ASSERT_TRUE(create(kConfigMaps, R"({"metadata":{"name":"c","namespace":"default","finalizers":["x.y/z"]}})"));
  ASSERT_TRUE(remove(kConfigMaps, "c"));
  EXPECT_TRUE(api().get(kConfigMaps, "default", "c")->deleting());
  auto more = patch(kConfigMaps, "c", PatchType::Merge, R"({"metadata":{"finalizers":["x.y/z","q.r/s"]}})");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, 422);
  ASSERT_TRUE(patch(kConfigMaps, "c", PatchType::Merge, R"({"metadata":{"finalizers":null}})"));
  EXPECT_FALSE(api().get(kConfigMaps, "default", "c"));
}

TEST_F(RegistryTest, AScheduledPodIsGivenItsGraceAndGoesAtGraceZero) {
  ASSERT_TRUE(create(
      kPods,
      R"({"metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"n","containers":[{"name":"c","image":"x"}]}})"));
  auto going = remove(kPods, "p");
  ASSERT_TRUE(going);
  EXPECT_EQ(going->json()["metadata"]["deletionGracePeriodSeconds"], 30);
  ASSERT_TRUE(api().get(kPods, "default", "p"));
  ASSERT_TRUE(net::run_to_end(loop_, api().remove(kPods, "default", "p", 0)));
  EXPECT_FALSE(api().get(kPods, "default", "p"));
}

TEST_F(RegistryTest, StatusAndSpecAreChangedApart) {
  ASSERT_TRUE(create(kDeployments,
                     R"({"metadata":{"name":"d","namespace":"default"},"spec":{"selector":{"matchLabels":{"a":"b"}},
    "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x"}]}}}})"));
  objects::Object wanted = *api().get(kDeployments, "default", "d");
  EXPECT_EQ(wanted.json()["spec"]["replicas"], 1);
  wanted.json()["spec"]["replicas"] = 5;
  wanted.json()["status"]["replicas"] = 2;
  auto after = net::run_to_end(loop_, api().update_status(kDeployments, wanted));
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->json()["spec"]["replicas"], 1);
  EXPECT_EQ(after->json()["status"]["replicas"], 2);
  EXPECT_EQ(after->generation(), 1);
  auto scaled = patch(kDeployments, "d", PatchType::Merge, R"({"spec":{"replicas":3}})", "scale");
  ASSERT_TRUE(scaled) << scaled.error().message;
  EXPECT_EQ(scaled->json()["spec"]["replicas"], 3);
  EXPECT_EQ(scaled->generation(), 2);
  EXPECT_EQ(scaled->json()["status"]["replicas"], 2);
}

TEST_F(RegistryTest, AServiceSaysNothingThatItsProxyCouldNotTake) {
  auto fault = [&](std::string_view spec) {
    auto made =
        create(kServices, R"({"metadata":{"name":"s","namespace":"default"},"spec":)" + std::string(spec) + "}");
    return made ? "" : made.error().message;
  };
  EXPECT_NE(fault(R"({"type":"NodePort","ports":[{"name":"a","port":80,"nodePort":30200},
                      {"name":"b","port":81,"nodePort":30200}]})")
                .find("spec.ports[1].nodePort: Duplicate value: 30200"),
            std::string::npos);
  EXPECT_NE(fault("{\"ports\":[{\"name\":\"a\\u001b[2J\",\"port\":80}]}").find("spec.ports[0].name"),
            std::string::npos);
  EXPECT_NE(fault(R"({"type":"ExternalName","externalName":"a b"})").find("spec.externalName"), std::string::npos);
  EXPECT_NE(fault(R"({"sessionAffinity":"zz","ports":[{"port":80}]})").find("spec.sessionAffinity"), std::string::npos);
  EXPECT_NE(fault(R"({"externalIPs":["junk"],"ports":[{"port":80}]})").find("spec.externalIPs[0]"), std::string::npos);
  EXPECT_EQ(fault(R"({"type":"NodePort","ports":[{"name":"a","port":80,"nodePort":30200},
                      {"name":"b","port":80,"protocol":"UDP","nodePort":30200}]})"),
            "");
  const objects::Resource slices{"discovery.k8s.io", "v1", "endpointslices"};
  auto slice = [&](std::string_view address) {
    auto made = create(slices, R"({"metadata":{"name":"s","namespace":"default"},"addressType":"IPv4","endpoints":[
        {"addresses":[")" + std::string(address) +
                                   "\"]}]}");
    return made ? "" : made.error().message;
  };
  EXPECT_NE(slice("10.0.0.1:80\\n }").find("endpoints[0].addresses[0]"), std::string::npos);
  EXPECT_NE(slice("2001:db8::1").find("must be an IPv4 address"), std::string::npos);
  EXPECT_EQ(slice("10.0.0.1"), "");
}

TEST_F(RegistryTest, ARevisionOfADeploymentRaisesNoGenerationButItsOwnersAnnotationsDo) {
  ASSERT_TRUE(create(kDeployments,
                     R"({"metadata":{"name":"d","namespace":"default"},"spec":{"selector":{"matchLabels":{"a":"b"}},
    "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x"}]}}}})"));
  auto counted =
      patch(kDeployments, "d", PatchType::Merge, R"({"metadata":{"annotations":{"revision":"1"}}})", "status");
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_EQ(counted->annotation("revision"), "1");
  EXPECT_EQ(counted->generation(), 1);
  auto written = patch(kDeployments, "d", PatchType::Merge, R"({"metadata":{"annotations":{"mine":"1"}}})");
  ASSERT_TRUE(written);
  EXPECT_EQ(written->generation(), 2);
  EXPECT_FALSE(patch(kDeployments, "d", PatchType::Merge, R"({"metadata":{"annotations":{"a b":"1"}}})", "status"));
}

TEST_F(RegistryTest, CustomObjectsAreDefaultedPrunedValidatedAndServedInEveryVersion) {
  ASSERT_TRUE(
      create(kCrds, R"({"metadata":{"name":"things.example.org"},"spec":{"group":"example.org","scope":"Namespaced",
    "names":{"plural":"things","kind":"Thing"},"versions":[
      {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
        "properties":{"n":{"type":"integer","default":7,"maximum":100}}}}}}},
      {"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})"));
  objects::Resource things{"example.org", "v1", "things"}, older{"example.org", "v1beta1", "things"};
  auto made = create(things, R"({"metadata":{"name":"t","namespace":"default"},"spec":{"zz":1}})");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->spec(), json(R"({"n":7})"));
  EXPECT_EQ(api().get(older, "default", "t")->api_version(), "example.org/v1beta1");
  auto wrong = create(things, R"({"metadata":{"name":"u","namespace":"default"},"spec":{"n":101}})");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "Thing.example.org \"u\" is invalid: spec.n: Invalid value: 101: spec.n in body should be less than or "
            "equal to 100");
  ASSERT_TRUE(net::run_to_end(loop_, api().remove(kCrds, "", "things.example.org", std::nullopt)));
  EXPECT_FALSE(api().get(things, "default", "t"));
  EXPECT_FALSE(create(things, R"({"metadata":{"name":"t","namespace":"default"}})"));
}

std::string crd(const std::string& schema, const std::string& group = "example.org") {
  return R"({"metadata":{"name":"things.)" + group + R"("},"spec":{"group":")" + group +
         R"(","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},"versions":[
           {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":)" +
         schema + "}}]}}";
}

TEST_F(RegistryTest, ASchemaThatCouldNotBeEnforcedIsRefused) {
  const std::string at = "spec.versions[0].schema.openAPIV3Schema";
  const std::pair<const char*, std::string> cases[] = {
      {R"("x")", at + ": "},
      {"{}", at + ": "},
      {R"({"type":"string"})", at + ".type: "},
      {R"({"type":"object","properties":5})", at + ".properties: "},
      {R"({"type":"object","properties":{"a":{"type":"string","pattern":"("}}})", at + ".properties[a].pattern: "},
      {R"({"type":"object","properties":{"a":{"type":"string","pattern":"(a)\\1"}}})", at + ".properties[a].pattern: "},
      {R"({"type":"object","properties":{"a":{"type":"string","minLength":-1}}})", at + ".properties[a].minLength: "},
      {R"({"type":"object","properties":{"a":{"type":"string","maxLength":"x"}}})", at + ".properties[a].maxLength: "},
      {R"({"type":"object","properties":{"a":{"type":"integer","default":"x"}}})", at + ".properties[a].default: "},
      {R"({"type":"object","properties":{"a":{"type":"string","enum":5}}})", at + ".properties[a].enum: "},
      {R"({"type":"object","properties":{"a":{"$ref":"#/b"}}})", at + ".properties[a].$ref: "},
      {R"({"type":"object","properties":{"a":{}}})", at + ".properties[a].type: "},
      {R"({"type":"object","properties":{"a":{"type":"array"}}})", at + ".properties[a].items: "},
      {R"({"type":"object","anyOf":[5]})", at + ".anyOf[0]: "},
      {R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"text"}}}})",
       at + ".properties[a].items.type: "},
  };
  for (const auto& [schema, field] : cases) {
    auto refused = create(kCrds, crd(schema));
    ASSERT_FALSE(refused) << schema;
    EXPECT_EQ(refused.error().code, 422) << refused.error().message;
    EXPECT_NE(refused.error().message.find(field), std::string::npos) << refused.error().message;
  }
  EXPECT_TRUE(create(kCrds, crd(R"({"type":"object","properties":{
    "port":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}],"pattern":"^[0-9]+%?$"},
    "a":{"type":"object","default":{},"properties":{"b":{"type":"string","default":"x","maxLength":3}}},
    "list":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],
            "items":{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}}},
    "any":{"x-kubernetes-preserve-unknown-fields":true}},"oneOf":[{"required":["a"]},{"not":{"required":["port"]}}]})")));
}

TEST_F(RegistryTest, KubernetesOwnGroupsAreNotForCustomKinds) {
  const std::string open = R"({"type":"object","x-kubernetes-preserve-unknown-fields":true})";
  for (const char* group : {"apps", "things", "networking.k8s.io", "foo.k8s.io", "x..y"}) {
    auto refused = create(kCrds, crd(open, group));
    ASSERT_FALSE(refused) << group;
    EXPECT_EQ(refused.error().code, 422) << group;
  }
  Json agreed = json(crd(open, "gateway.networking.k8s.io"));
  agreed["metadata"]["annotations"]["api-approved.kubernetes.io"] = "https://example.org/agreed";
  auto made = create(kCrds, agreed.dump());
  EXPECT_TRUE(made) << made.error().message;
}

}  // namespace
}  // namespace localkube
