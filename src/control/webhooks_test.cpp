// SPDX-License-Identifier: Apache-2.0
#include "control/webhooks.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "control/review_budget.h"
#include "control/webhook_configurations.h"

namespace control {
namespace {

using objects::Json;
using objects::Object;
using testing::HasSubstr;
using Caller = Webhooks::Caller;

Json yaml(std::string_view text) { return base::parse_yaml(text).value().at(0); }

struct Bench {
  net::Loop loop;
  Metrics metrics;
  Ingest ingest{loop, [this](const Ingest::Change&) { loop.stop(); }};
  Webhooks webhooks{ingest, metrics, {}};

  // Takes the objects in and builds the first snapshot.
  explicit Bench(std::vector<std::string_view> documents = {}) {
    loop.post([this, documents] {
      for (std::string_view text : documents) ingest.put(Object(yaml(text)));
      ingest.begin();
    });
    loop.run();
  }
};

Json review(Json object, std::string_view ns = "default") {
  return {{"apiVersion", "admission.k8s.io/v1"},
          {"kind", "AdmissionReview"},
          {"request", {{"uid", "u-1"}, {"namespace", ns}, {"operation", "CREATE"}, {"object", std::move(object)}}}};
}

constexpr std::string_view kFirst = R"yaml(
  apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: first, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
  spec: {hosts: [helloworld.default.svc.cluster.local], http: [{route: [{destination: {host: helloworld}}]}]}
)yaml";

TEST(InjectWebhook, AnswersWithAPatchUnderTheSameUid) {
  Bench bench;
  Json pod = yaml("{metadata: {name: nginx}, spec: {containers: [{name: nginx, image: nginx}]}}");
  Json answer = bench.webhooks.inject(review(pod)).value();
  EXPECT_EQ(answer["response"]["uid"], "u-1");
  EXPECT_EQ(answer["response"]["allowed"], true);
  Json patch = Json::parse(base::from_base64(answer["response"]["patch"].get<std::string>()).value());
  Json after = pod.patch(patch);
  EXPECT_EQ(after["spec"]["initContainers"].size(), 2u);
  EXPECT_EQ(bench.metrics.injections, 1u);
}

TEST(InjectWebhook, LeavesAloneWhatDoesNotWantIt) {
  Bench bench;
  Json pod = yaml("{metadata: {labels: {sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: a}]}}");
  Json answer = bench.webhooks.inject(review(pod)).value();
  EXPECT_EQ(answer["response"]["allowed"], true);
  EXPECT_FALSE(answer["response"].contains("patch"));
}

TEST(InjectWebhook, TakesMeshConfigsWord) {
  Bench bench({R"yaml(
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "{trustDomain: td.example, defaultConfig: {discoveryAddress: 'here:15012'}}"}
  )yaml"});
  inject::Settings settings = bench.webhooks.injection_settings();
  EXPECT_EQ(settings.trust_domain, "td.example");
  EXPECT_EQ(settings.proxy_config["discoveryAddress"], "here:15012");
}

TEST(ValidateWebhook, DeniesInIstiosWordsAndWarnsWhere) {
  Bench bench;
  Json object = yaml(R"yaml(
    apiVersion: networking.istio.io/v1beta1
    kind: VirtualService
    metadata: {name: all, namespace: default}
    spec: {hosts: ["*"], http: [{route: [{destination: {host: helloworld}}]}]}
  )yaml");
  Json answer = bench.webhooks.validate(review(object), Caller::ApiServer).value();
  EXPECT_EQ(answer["response"]["allowed"], false);
  EXPECT_EQ(answer["response"]["status"]["message"],
            "configuration is invalid: wildcard host * is not allowed for virtual services bound to the mesh gateway");
  ASSERT_EQ(answer["response"]["warnings"].size(), 1u);
  EXPECT_THAT(answer["response"]["warnings"][0].get<std::string>(),
              HasSubstr("VirtualService default/all, spec.hosts[0]: wildcard host * is not allowed"));
}

TEST(ValidateWebhook, WarnsByNameOfWhatIsStoredAndDoesNotAct) {
  Bench bench;
  constexpr std::pair<std::string_view, std::string_view> kIdle[] = {
      {"networking.istio.io/v1alpha3", "EnvoyFilter"},
      {"networking.istio.io/v1beta1", "ProxyConfig"},
      {"extensions.istio.io/v1alpha1", "WasmPlugin"},
      {"extensions.istio.io/v1alpha1", "TrafficExtension"},
  };
  for (auto [version, kind] : kIdle) {
    Json object = {{"apiVersion", version},
                   {"kind", kind},
                   {"metadata", {{"name", "idle"}, {"namespace", "default"}}},
                   {"spec", Json::object()}};
    Json answer = bench.webhooks.validate(review(object), Caller::ApiServer).value();
    EXPECT_EQ(answer["response"]["allowed"], true);
    EXPECT_THAT(answer["response"].value("warnings", Json::array()).dump(),
                HasSubstr(std::string(kind) + " is stored, but Seine does not act on it yet"));
  }
}

TEST(ValidateWebhook, WarnsOfASecondVirtualServiceForAHostAndNamesBoth) {
  Bench bench({kFirst});
  Json second = yaml(kFirst);
  second["metadata"]["name"] = "second";
  second["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z";
  Json answer = bench.webhooks.validate(review(second), Caller::ApiServer).value();
  ASSERT_EQ(answer["response"]["allowed"], true);
  ASSERT_TRUE(answer["response"].contains("warnings")) << answer.dump();
  std::string warnings = answer["response"]["warnings"].dump();
  EXPECT_THAT(warnings, HasSubstr("default/first"));
  EXPECT_THAT(warnings, HasSubstr("default/second"));

  Json again = bench.webhooks.validate(review(yaml(kFirst)), Caller::ApiServer).value();
  EXPECT_THAT(again["response"].value("warnings", Json::array()).dump(), testing::Not(HasSubstr("second")));
}

TEST(ValidateWebhook, AnUpdateIsJudgedByWhatItSaysNow) {
  constexpr std::string_view kStale = R"yaml(
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: stale, namespace: default, resourceVersion: "7"}
    spec: {hosts: [a.example.com], http: [{route: [{destination: {host: old-typo}}]}]}
  )yaml";
  Bench bench({kStale});
  Json update = yaml(kStale);
  update["spec"]["http"][0]["route"][0]["destination"]["host"] = "new-typo";
  Json answer = bench.webhooks.validate(review(update), Caller::ApiServer).value();
  std::string warnings = answer["response"].value("warnings", Json::array()).dump();
  EXPECT_THAT(warnings, HasSubstr("new-typo"));
  EXPECT_THAT(warnings, testing::Not(HasSubstr("old-typo")));
}

TEST(Webhooks, SurviveObjectsOfOddShapes) {
  Bench bench;
  Json object = yaml(kFirst);
  object["metadata"] = "x";
  EXPECT_FALSE(bench.webhooks.validate(review(object), Caller::ApiServer));
  Json pod = yaml(R"yaml(
    metadata: {name: a, labels: {sidecar.istio.io/inject: "true"}}
    spec: {containers: [{name: c, image: i, ports: [x], readinessProbe: {httpGet: {port: "", path: /}}}]}
  )yaml");
  EXPECT_TRUE(bench.webhooks.inject(review(pod)));
}

TEST(ValidateWebhook, TellsOfOthersObjectsToTheApiServerAlone) {
  Bench bench({kFirst});
  Json second = yaml(kFirst);
  second["metadata"] = {{"name", "second"}, {"namespace", "elsewhere"}, {"creationTimestamp", "2026-02-01T00:00:00Z"}};
  Json answer = bench.webhooks.validate(review(second), Caller::ApiServer).value();
  EXPECT_THAT(answer["response"]["warnings"].dump(), HasSubstr("default/first"));
  answer = bench.webhooks.validate(review(second), Caller::Anyone).value();
  EXPECT_EQ(answer["response"]["allowed"], true);
  EXPECT_FALSE(answer["response"].contains("warnings")) << answer.dump();
}

TEST(ReviewBudget, BoundsWhatOneAddressAndAllOfThemSend) {
  constexpr size_t kOne = ReviewBudget::kMostOfOne;
  ReviewBudget budget;
  EXPECT_FALSE(budget.take("a", kOne + 1));
  std::vector<ReviewBudget::Share> shares;
  auto take = [&](const char* address) {
    auto share = budget.take(address, kOne);
    if (!share) return false;
    shares.push_back(std::move(share));
    return true;
  };
  EXPECT_TRUE(take("a") && take("a") && take("a"));
  EXPECT_FALSE(take("a"));
  EXPECT_TRUE(take("b") && take("b") && take("b") && take("c") && take("c"));
  EXPECT_FALSE(take("d"));
  shares.pop_back();
  EXPECT_TRUE(take("d"));
  shares.clear();
  EXPECT_TRUE(take("a"));
}

TEST(Webhooks, RefuseWhatIsNoReview) {
  Bench bench;
  for (const char* text : {"{}", "{kind: AdmissionReview}", "{kind: Pod, request: {uid: a}}",
                           "{kind: AdmissionReview, request: {uid: a}}"})
    EXPECT_FALSE(bench.webhooks.inject(yaml(text))) << text;
}

TEST(WebhookConfigurations, GetTheBundleAndTheStrictPolicyOnceDenialsArrive) {
  Json document = yaml(R"yaml(
    kind: ValidatingWebhookConfiguration
    metadata: {name: v, labels: {istio.io/rev: default}}
    webhooks:
    - {name: other, clientConfig: {service: {name: other, namespace: istio-system}}, failurePolicy: Ignore}
    - {name: ours, clientConfig: {service: {name: istiod, namespace: istio-system}}, failurePolicy: Ignore}
  )yaml");
  WebhookConfigurations::Service service{"istio-system", "default", "word"};
  using Denials = WebhookConfigurations::Denials;
  auto patched = [&](Denials denials) {
    return document.patch(WebhookConfigurations::patch(Object(document), service, "PEM", denials));
  };
  Json early = patched(Denials::NotSeen);
  EXPECT_EQ(early["webhooks"][1]["clientConfig"]["caBundle"], base::to_base64("PEM"));
  EXPECT_EQ(early["webhooks"][1]["failurePolicy"], "Ignore");
  document = patched(Denials::Arrive);
  EXPECT_EQ(document["webhooks"][1]["failurePolicy"], "Fail");
  EXPECT_EQ(document["webhooks"][1]["clientConfig"]["service"]["path"], "/validate/word");
  EXPECT_EQ(document["webhooks"][0]["failurePolicy"], "Ignore");
  EXPECT_FALSE(document["webhooks"][0]["clientConfig"].contains("caBundle"));
  EXPECT_EQ(patched(Denials::Arrive), document);

  document["metadata"]["labels"]["istio.io/rev"] = "canary";
  EXPECT_TRUE(WebhookConfigurations::patch(Object(document), service, "NEW", Denials::Arrive).empty());
}

}  // namespace
}  // namespace control
