// SPDX-License-Identifier: Apache-2.0
#include "objects/schema.h"

#include <gmock/gmock.h>

#include "k8s/apps/v1/apps.pb.h"
#include "k8s/core/v1/core.pb.h"
#include "k8s/core/v1/service.pb.h"
#include "k8s/runtime/runtime.pb.h"
#include "objects/openapi.h"

namespace objects {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json json(std::string_view text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Json();
}

// The document after conforming; the unknown members' paths, or the error, in `said`.
Json conformed(const Kind& kind, std::string_view text, std::vector<std::string>* said = nullptr) {
  const Schema* schema = find_schema(kind);
  EXPECT_NE(schema, nullptr);
  Json document = json(text);
  auto unknown = schema->conform(document);
  if (said)
    *said = unknown ? *unknown : std::vector<std::string>{unknown.error().message};
  else
    EXPECT_TRUE(unknown) << unknown.error().message;
  return document;
}

const Kind kPod{"", "v1", "Pod"};
const Kind kService{"", "v1", "Service"};
const Kind kConfigMap{"", "v1", "ConfigMap"};
const Kind kDeployment{"apps", "v1", "Deployment"};

TEST(Schema, TellsUnknownMembersByTheirPathAndTakesThemOut) {
  std::vector<std::string> said;
  Json pod = conformed(
      kPod, R"({"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a"},{"imgae":"x"}],"foo":1}})", &said);
  EXPECT_THAT(said, ElementsAre("spec.containers[1].imgae", "spec.foo"));
  EXPECT_FALSE(pod["spec"].contains("foo"));
}

TEST(Schema, RefusesAWrongTypeInTheWordsOfKubernetes) {
  std::vector<std::string> said;
  conformed(kConfigMap, R"({"data":{"a":1}})", &said);
  EXPECT_THAT(said, ElementsAre("json: cannot unmarshal number into Go struct field ConfigMap.data of type string"));
  conformed(kDeployment, R"({"spec":{"replicas":"3"}})", &said);
  EXPECT_THAT(
      said,
      ElementsAre("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"));
  conformed(kDeployment, R"({"spec":{"replicas":3000000000}})", &said);
  EXPECT_THAT(said.front(), HasSubstr("number 3000000000 into"));
  conformed(kPod, R"({"spec":{"containers":{}}})", &said);
  EXPECT_THAT(
      said,
      ElementsAre("json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"));
}

TEST(Schema, WritesWhatKubernetesAlwaysWrites) {
  Json deployment =
      conformed(kDeployment, R"({"metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"c"}]}}}})");
  EXPECT_EQ(deployment["status"], Json::object());
  EXPECT_EQ(deployment["spec"]["strategy"], Json::object());
  EXPECT_EQ(deployment["spec"]["template"]["metadata"], json(R"({"creationTimestamp":null})"));
  EXPECT_EQ(deployment["spec"]["template"]["spec"]["containers"][0], json(R"({"name":"c","resources":{}})"));
  EXPECT_EQ(conformed(kService, "{}")["status"], json(R"({"loadBalancer":{}})"));
}

TEST(Schema, DropsEmptyValuesButThoseThatSaySomething) {
  Json pod = conformed(kPod, R"({"spec":{"hostname":"","hostNetwork":false,"nodeSelector":{},"enableServiceLinks":false,
                                 "volumes":[{"name":"e","emptyDir":{}}],"securityContext":null}})");
  EXPECT_EQ(pod["spec"],
            json(R"({"containers":null,"enableServiceLinks":false,"volumes":[{"name":"e","emptyDir":{}}]})"));
}

TEST(Schema, ReadsMembersOfInlinedMessages) {
  std::vector<std::string> said;
  Json pod = conformed(
      kPod, R"({"spec":{"containers":[{"name":"c","livenessProbe":{"httpGet":{"port":"http"},"periodSeconds":3},
                          "env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"m","key":"k"}}}]}]}})",
      &said);
  EXPECT_THAT(said, IsEmpty());
  EXPECT_EQ(pod["spec"]["containers"][0]["livenessProbe"]["httpGet"]["port"], "http");
}

TEST(JsonOfProtobuf, ReadsWhatKubectlSends) {
  k8s::io::api::apps::v1::Deployment deployment;
  deployment.mutable_metadata()->set_name("web");
  deployment.mutable_metadata()->set_namespace_("");
  deployment.mutable_metadata()->mutable_creationtimestamp();
  (*deployment.mutable_metadata()->mutable_labels())["app"] = "web";
  deployment.mutable_spec()->set_replicas(0);
  auto& rolling = *deployment.mutable_spec()->mutable_strategy()->mutable_rollingupdate();
  rolling.mutable_maxsurge()->set_type(1);
  rolling.mutable_maxsurge()->set_strval("25%");
  auto& container = *deployment.mutable_spec()->mutable_template_()->mutable_spec()->add_containers();
  container.set_name("c");
  container.mutable_livenessprobe()->mutable_handler()->mutable_tcpsocket()->mutable_port()->set_intval(80);
  (*container.mutable_resources()->mutable_limits())["cpu"].set_string("100m");
  k8s::io::apimachinery::pkg::runtime::Unknown envelope;
  envelope.mutable_typemeta()->set_apiversion("apps/v1");
  envelope.mutable_typemeta()->set_kind("Deployment");
  envelope.set_raw(deployment.SerializeAsString());

  auto document = json_of_protobuf(std::string("k8s\0", 4) + envelope.SerializeAsString());

  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(*document,
            json(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},
      "spec":{"replicas":0,"strategy":{"rollingUpdate":{"maxSurge":"25%"}},"template":{"spec":{"containers":[
      {"name":"c","livenessProbe":{"tcpSocket":{"port":80}},"resources":{"limits":{"cpu":"100m"}}}]}}}})"));
}

TEST(JsonOfProtobuf, WritesBytesAsBase64AndTimesAsText) {
  k8s::io::api::core::v1::Secret secret;
  (*secret.mutable_data())["a"] = "b";
  secret.mutable_metadata()->mutable_creationtimestamp()->set_seconds(1767323045);
  k8s::io::apimachinery::pkg::runtime::Unknown envelope;
  envelope.mutable_typemeta()->set_apiversion("v1");
  envelope.mutable_typemeta()->set_kind("Secret");
  envelope.set_raw(secret.SerializeAsString());
  auto document = json_of_protobuf(std::string("k8s\0", 4) + envelope.SerializeAsString());
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ((*document)["data"]["a"], "Yg==");
  EXPECT_EQ((*document)["metadata"]["creationTimestamp"], "2026-01-02T03:04:05Z");
}

TEST(JsonOfProtobuf, RefusesWhatIsNoEnvelopeOrNoKnownKind) {
  EXPECT_FALSE(json_of_protobuf("{}"));
  EXPECT_FALSE(json_of_protobuf(std::string_view("k8s\0\xff\xff", 6)));
  EXPECT_FALSE(json_of_protobuf(std::string_view("k8s\0", 4)));
}

TEST(KindSchema, DescribesAKindAndAllItRefersTo) {
  Json schemas = Json::object();
  const Schema* schema = find_schema(kService);
  EXPECT_EQ(add_kind_schema(kService, *schema, schemas), "io.k8s.api.core.v1.Service");
  EXPECT_EQ(schemas["io.k8s.api.core.v1.Service"]["x-kubernetes-group-version-kind"][0]["kind"], "Service");
  const Json& ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"];
  EXPECT_EQ(ports["x-kubernetes-patch-merge-key"], "port");
  EXPECT_EQ(ports["items"]["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.core.v1.ServicePort");
  EXPECT_TRUE(schemas.contains("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
}

TEST(KindSchema, DescribesEveryKindThatIsKnown) {
  Json schemas = Json::object();
  for (const Kind& kind : described_kinds()) EXPECT_FALSE(add_kind_schema(kind, *find_schema(kind), schemas).empty());
  EXPECT_GT(schemas.size(), 200u);
}

}  // namespace
}  // namespace objects
