// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "config/config.h"
#include "config/kinds.h"

namespace config {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

objects::Object object(std::string_view yaml) {
  auto documents = base::parse_yaml(yaml);
  EXPECT_TRUE(documents) << documents.error().message;
  return objects::Object(documents->front());
}

objects::Object virtual_service(std::string_view spec) {
  return object(
      "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: vs, namespace: default}, spec: " +
      std::string(spec) + "}");
}

// "spec.hosts[0]: message" of each error.
std::vector<std::string> errors(const objects::Object& object) {
  std::vector<std::string> out;
  for (const Finding& finding : validate(object))
    if (finding.severity == Severity::Error) out.push_back(finding.path + ": " + finding.message);
  return out;
}

std::vector<std::string> warnings(const objects::Object& object) {
  std::vector<std::string> out;
  for (const Finding& finding : validate(object))
    if (finding.severity == Severity::Warning) out.push_back(finding.path + ": " + finding.message);
  return out;
}

TEST(VirtualService, AWildcardHostNeedsAGatewayAndIsDeniedInIstiosWords) {
  auto bad = virtual_service("{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}");
  EXPECT_EQ(admission_message(validate(bad)),
            "configuration is invalid: wildcard host * is not allowed for virtual services bound to the mesh gateway");
  auto good = virtual_service("{hosts: ['*'], gateways: [front], http: [{route: [{destination: {host: a}}]}]}");
  EXPECT_THAT(errors(good), IsEmpty());
}

TEST(VirtualService, ADurationThatIsNoneIsToldWithWhereItIsAndWhatOneLooksLike) {
  auto with = [](std::string timeout) {
    return virtual_service("{hosts: [a], http: [{route: [{destination: {host: a}}], timeout: " + timeout + "}]}");
  };
  EXPECT_THAT(errors(with("5sec")), ElementsAre(HasSubstr("http[0].timeout: \"5sec\" is not a duration; \"5s\", ")));
  EXPECT_THAT(errors(with("5")), ElementsAre(HasSubstr("http[0].timeout: 5 is not a duration")));
  for (const char* good : {"5s", "1.5s", "500ms", "1m30s"}) EXPECT_THAT(errors(with(good)), IsEmpty()) << good;
}

TEST(VirtualService, WeightsNeedNotSumTo100ButAreSharesOfIt) {
  auto weights = [](int one, int two) {
    return virtual_service("{hosts: [a], http: [{route: [{destination: {host: a}, weight: " + std::to_string(one) +
                           "}, {destination: {host: b}, weight: " + std::to_string(two) + "}]}]}");
  };
  EXPECT_THAT(errors(weights(60, 60)), IsEmpty());
  EXPECT_THAT(errors(weights(150, 20)), ElementsAre(HasSubstr("spec.http[0].route[0].weight: weight 150 > 100")));
  EXPECT_THAT(errors(weights(-1, 20)), ElementsAre("spec.http[0].route[0].weight: weight -1 < 0"));
  EXPECT_THAT(errors(weights(0, 0)), ElementsAre("spec.http[0].route: total destination weight = 0"));
}

TEST(VirtualService, AFieldThatDoesNotExistIsNamed) {
  EXPECT_THAT(errors(virtual_service("{hosts: [a], http: [{rout: []}]}")), ElementsAre(HasSubstr("http[0].rout")));
}

TEST(VirtualService, HostsMustBeNamesAndDifferent) {
  EXPECT_THAT(errors(virtual_service("{hosts: ['a b'], http: [{route: [{destination: {host: a}}]}]}")),
              ElementsAre(HasSubstr("spec.hosts[0]: domain name \"a b\" invalid")));
  EXPECT_THAT(errors(virtual_service("{hosts: ['*.foo.bar', '*.bar'], http: [{route: [{destination: {host: a}}]}]}")),
              ElementsAre("spec.hosts[1]: duplicate hosts in virtual service: *.bar and *.foo.bar"));
  EXPECT_THAT(errors(virtual_service("{hosts: [x.foo.bar, '*.baz', '*'], gateways: [g], http: [{route: [{destination: "
                                     "{host: a}}]}]}")),
              ElementsAre("spec.hosts[2]: duplicate hosts in virtual service: * and x.foo.bar",
                          "spec.hosts[2]: duplicate hosts in virtual service: * and *.baz"));
  EXPECT_THAT(errors(virtual_service("{hosts: [a]}")),
              ElementsAre("spec: http, tcp or tls must be provided in virtual service"));
}

TEST(VirtualService, OfManyErrorsTheFirstAreTold) {
  std::string hosts, namespaces;
  for (int i = 0; i < 3000; ++i) {
    hosts += "same, ";
    namespaces += "., ";
  }
  const auto told = errors(virtual_service("{hosts: [" + hosts + "], exportTo: [" + namespaces +
                                           "], http: [{route: [{destination: {host: a}}]}]}"));
  ASSERT_EQ(told.size(), 51u);
  EXPECT_THAT(told.back(), HasSubstr("and more"));
}

TEST(VirtualService, RoutesMustLeadSomewhere) {
  EXPECT_THAT(errors(virtual_service("{hosts: [a], http: [{match: [{uri: {prefix: /}}]}]}")),
              ElementsAre("spec.http[0]: HTTP route, redirect or direct_response is required"));
  EXPECT_THAT(errors(virtual_service("{hosts: [a], http: [{route: [{destination: {}}]}]}")),
              ElementsAre("spec.http[0].route[0].destination.host: destination host is required"));
}

TEST(VirtualService, TimeoutsRetriesAndExpressionsAreChecked) {
  EXPECT_THAT(errors(virtual_service("{hosts: [a], http: [{timeout: 10us, route: [{destination: {host: a}}]}]}")),
              ElementsAre("spec.http[0].timeout: duration must be greater than 1ms"));
  EXPECT_THAT(errors(virtual_service("{hosts: [a], http: [{retries: {attempts: 2, backoff: 9999999999s}, route: "
                                     "[{destination: {host: a}}]}]}")),
              ElementsAre("spec.http[0].retries.backoff: duration is above ten years"));
  EXPECT_THAT(errors(virtual_service("{hosts: [a], http: [{retries: {attempts: 2, retryOn: sometimes}, route: "
                                     "[{destination: {host: a}}]}]}")),
              ElementsAre("spec.http[0].retries.retryOn: \"sometimes\" is not a valid retryOn policy"));
  EXPECT_THAT(errors(virtual_service(
                  "{hosts: [a], http: [{match: [{uri: {regex: '(a'}}], route: [{destination: {host: a}}]}]}")),
              ElementsAre(HasSubstr("is not a valid RE2 regular expression")));
}

TEST(VirtualService, ARuleBehindACatchAllIsWarnedOf) {
  EXPECT_THAT(warnings(virtual_service(
                  "{hosts: [a], http: [{route: [{destination: {host: a}}]}, {route: [{destination: {host: b}}]}]}")),
              ElementsAre(HasSubstr("spec.http[1]: virtualService rule #1 not used")));
}

TEST(Gateway, ServersAreCheckedForPortsHostsAndTls) {
  auto gateway = [](std::string_view server) {
    return object(
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: default}, spec: {selector: "
        "{a: b}, servers: [" +
        std::string(server) + "]}}");
  };
  EXPECT_THAT(errors(gateway("{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}")), IsEmpty());
  EXPECT_THAT(errors(gateway("{port: {number: 80}, hosts: []}")), SizeIs(3));
  EXPECT_THAT(errors(gateway("{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*']}")),
              ElementsAre(HasSubstr("server must have TLS settings for HTTPS/TLS protocols")));
  EXPECT_THAT(errors(gateway("{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE}}")),
              SizeIs(2));
}

TEST(DestinationRule, WhatDoesNotActIsSaid) {
  auto rule = object(
      "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: default}, "
      "spec: {host: a, trafficPolicy: {retryBudget: {minRetryConcurrency: 1}}}}");
  EXPECT_THAT(warnings(rule), ElementsAre(HasSubstr("retryBudget is stored, but Seine does not act on it yet")));
}

TEST(DestinationRule, ATunnelLeadsToAHostAndPortByConnectOrPost) {
  auto rule = [](std::string_view tunnel) {
    return object(
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d, namespace: default}, spec: "
        "{host: a, trafficPolicy: {tunnel: " +
        std::string(tunnel) + "}}}");
  };
  EXPECT_THAT(errors(rule("{protocol: CONNECT, targetHost: b.example, targetPort: 443}")), ElementsAre());
  EXPECT_THAT(warnings(rule("{targetHost: '2001:db8::1', targetPort: 443}")), ElementsAre());
  EXPECT_THAT(errors(rule("{protocol: GET, targetHost: b.example, targetPort: 443}")),
              ElementsAre(HasSubstr("CONNECT")));
  EXPECT_THAT(errors(rule("{targetHost: b.example}")), Contains(HasSubstr("targetPort")));
}

TEST(AuthorizationPolicy, WhatCannotBeEnforcedIsRefused) {
  auto policy = [](std::string_view spec) {
    return object(
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: default}, "
        "spec: " +
        std::string(spec) + "}");
  };
  EXPECT_THAT(errors(policy("{action: CUSTOM, provider: {name: x}, rules: [{}]}")),
              Contains(HasSubstr("CUSTOM authorization is not supported")));
  EXPECT_THAT(errors(policy("{rules: [{when: [{key: request.heders, values: [x]}]}]}")),
              Contains("spec.rules[0].when[0].key: unknown attribute: request.heders"));
  EXPECT_THAT(errors(policy("{}")), IsEmpty());  // nobody may do anything
}

TEST(RequestAuthentication, KeysThatNoTokenCouldBeVerifiedWithAreRefused) {
  auto rule = [](std::string_view keys) {
    return object(
        "{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: r, namespace: default}, "
        "spec: {jwtRules: [{issuer: me, " +
        std::string(keys) + "}]}}");
  };
  EXPECT_THAT(errors(rule("jwks: '{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
                          "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'")),
              IsEmpty());
  EXPECT_THAT(errors(rule("jwks: '{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\"}]}'")),
              ElementsAre(HasSubstr("spec.jwtRules[0].jwks: Jwks doesn't have any valid public key")));
  EXPECT_THAT(errors(rule("jwks: none")), ElementsAre(HasSubstr("spec.jwtRules[0].jwks")));
  EXPECT_THAT(errors(rule("jwksUri: 'https://keys.example'")), ElementsAre(HasSubstr("not fetched from jwksUri yet")));
}

TEST(AuthorizationPolicy, PathTemplatesAreThoseThatProxiesTake) {
  auto path = [](std::string_view text) {
    return object(
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: p, namespace: default}, "
        "spec: {rules: [{to: [{operation: {paths: ['" +
        std::string(text) + "']}}]}]}}");
  };
  for (std::string_view good : {"/a", "/a*", "*/b", "/a/{*}/b", "/{**}", "/a/{*}/{**}", "/{**}/b", "/a/{*}/"})
    EXPECT_THAT(errors(path(good)), IsEmpty()) << good;
  for (std::string_view bad : {"/{bad", "/a{*}", "/{**}/{**}", "}{", "/{", "a/{*}", "//{*}", "/{x}"})
    EXPECT_THAT(errors(path(bad)), ElementsAre(HasSubstr("is not a valid path template"))) << bad;
}

TEST(VirtualService, AHeadersValueIsAFormat) {
  auto value = [](std::string_view text) {
    return virtual_service("{hosts: [a], http: [{headers: {request: {set: {x-a: " + std::string(text) +
                           "}}}, route: [{destination: {host: a}}]}]}");
  };
  EXPECT_THAT(errors(value("'100%% of %REQ(x-b)%'")), IsEmpty());
  EXPECT_THAT(errors(value("'100% sure'")), ElementsAre(HasSubstr("spec.http[0].headers.request.set[\"x-a\"]")));
  EXPECT_THAT(errors(value("'%FOO%'")), ElementsAre(HasSubstr("FOO")));
  EXPECT_THAT(errors(value("\"a\\r\\nb\"")), ElementsAre(HasSubstr("line breaks")));
}

TEST(VirtualService, WhatNoProxyTakesIsRefusedWithItsField) {
  auto route = [](std::string_view parts) {
    return virtual_service("{hosts: [a], http: [{" + std::string(parts) + "}]}");
  };
  auto to_a = [&](std::string_view parts) { return route("route: [{destination: {host: a}}], " + std::string(parts)); };
  const std::pair<objects::Object, const char*> kBad[] = {
      {route("redirect: {uri: \"/a\\nb\"}"), "http[0].redirect.uri: it cannot have line breaks"},
      {route("redirect: {uri: /, port: 70000}"), "http[0].redirect.port"},
      {to_a("rewrite: {uri: \"/\\r\"}"), "http[0].rewrite.uri"},
      {to_a("rewrite: {uriRegexRewrite: {match: '/(a)', rewrite: '/\\2'}}"), "group 2 is not in the match"},
      {to_a("corsPolicy: {allowOrigins: [{}]}"), "allowOrigins[0]: an origin to allow must be said"},
      {to_a("headers: {request: {set: {'a:b': c}}}"), "\"a:b\" is not a valid header name"},
      {to_a("match: [{uri: {regex: ''}}]"), "a regular expression cannot be empty"},
      {to_a("fault: {abort: {grpcStatus: '99'}}"), "\"99\" is not a gRPC status"},
      {to_a("fault: {abort: {httpStatus: 500, percentage: {value: NaN}}}"), "percentage"},
      {route("route: [{destination: {host: a, subset: 'v|1'}}]"), "destination.subset: subset name is invalid"},
  };
  for (const auto& [object, why] : kBad) EXPECT_THAT(errors(object), Contains(HasSubstr(why)));
  EXPECT_THAT(errors(to_a("rewrite: {uriRegexRewrite: {match: '/(a)', rewrite: '/\\1'}}")), IsEmpty());
}

TEST(VirtualService, HasSoManyExpressionsAndNoMore) {
  std::string matches;
  for (int i = 0; i < 100; ++i) matches += "{uri: {regex: '" + std::string(4000, 'a') + "'}}, ";
  EXPECT_THAT(
      errors(virtual_service("{hosts: [a], http: [{match: [" + matches + "], route: [{destination: {host: a}}]}]}")),
      ElementsAre("spec: more than 262144 bytes of regular expressions in one object"));
}

TEST(Gateway, CiphersVersionsAndPinsAreThoseThatProxiesKnow) {
  auto gateway = [](std::string_view tls) {
    return object(
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: default}, spec: {selector: "
        "{a: b}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, "
        "credentialName: c, " +
        std::string(tls) + "}}]}}");
  };
  EXPECT_THAT(errors(gateway("maxProtocolVersion: TLSV1_1")), ElementsAre(HasSubstr("TLS below 1.2 is not spoken")));
  EXPECT_THAT(errors(gateway("verifyCertificateSpki: [x]")), ElementsAre(HasSubstr("\"x\" is not a SHA-256")));
  EXPECT_THAT(errors(gateway("cipherSuites: [NONE]")), IsEmpty());
  EXPECT_THAT(warnings(gateway("cipherSuites: [NONE, AES128-SHA]")),
              ElementsAre(HasSubstr("\"NONE\" is not known and is passed over")));
}

TEST(Validate, SeveralErrorsAreCounted) {
  auto message = admission_message(validate(virtual_service("{hosts: ['*', '*'], http: [{}]}")));
  EXPECT_THAT(message, HasSubstr("configuration is invalid: 3 errors occurred:\n\t* "));
}

TEST(Validate, KindsOfOthersAreNotJudged) {
  EXPECT_THAT(validate(object("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {nonsense: 1}}")), IsEmpty());
}

TEST(CustomResources, EveryKindHasAStrictSchemaAndAStatus) {
  auto manifests = custom_resource_definitions();
  ASSERT_EQ(manifests.size(), istio_kinds().size());
  for (const auto& manifest : manifests) {
    for (const auto& version : manifest["spec"]["versions"]) {
      EXPECT_TRUE(version["subresources"].contains("status")) << manifest["metadata"]["name"];
      EXPECT_EQ(version["schema"]["openAPIV3Schema"]["type"], "object");
    }
  }
}

}  // namespace
}  // namespace config
