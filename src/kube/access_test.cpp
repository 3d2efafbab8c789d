// SPDX-License-Identifier: Apache-2.0
#include "kube/access.h"

#include <gtest/gtest.h>

#include "kube/client.h"

namespace kube {

constexpr const char* kConfig = R"(
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: one, user: me, namespace: shop}}
- {name: there, context: {cluster: two, user: nobody}}
clusters:
- name: one
  cluster: {server: "https://127.0.0.1:6443/prefix/", certificate-authority-data: Um9vdA==, tls-server-name: kubernetes}
- name: two
  cluster: {server: "ftp://127.0.0.1"}
users:
- name: me
  user: {token: secret, client-certificate-data: Q2VydA==, client-key-data: S2V5}
- name: plugin
  user: {exec: {command: aws}}
)";

TEST(Access, ReadsTheCurrentContext) {
  auto access = access_of(kConfig, "", ".");
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ(access->host, "127.0.0.1");
  EXPECT_EQ(access->port, 6443);
  EXPECT_EQ(access->path_prefix, "/prefix");
  EXPECT_EQ(access->server_name, "kubernetes");
  EXPECT_EQ(access->roots, "Root");
  EXPECT_EQ(access->certificate, "Cert");
  EXPECT_EQ(access->key, "Key");
  EXPECT_EQ(access->token, "secret");
  EXPECT_EQ(access->ns, "shop");
  EXPECT_FALSE(access->insecure);
}

TEST(Access, NamesTheEntryThatIsMissing) {
  auto access = access_of(kConfig, "there", ".");
  ASSERT_FALSE(access);
  EXPECT_EQ(access.error().message, "kubeconfig: no user \"nobody\"");
  EXPECT_EQ(access_of(kConfig, "nowhere", ".").error().message, "kubeconfig: no context \"nowhere\"");
}

TEST(Access, RefusesAuthenticationThatWouldNotAct) {
  std::string text = kConfig;
  text.replace(text.find("user: me,"), 9, "user: plugin,");
  auto access = access_of(text, "", ".");
  ASSERT_FALSE(access);
  EXPECT_NE(access.error().message.find("exec is not supported"), std::string::npos);
}

TEST(Access, SaysWhatToDoWhereNothingIsConfigured) {
  setenv("KUBECONFIG", "/nonexistent/config", 1);
  unsetenv("KUBERNETES_SERVICE_HOST");
  auto access = find_access();
  ASSERT_FALSE(access);
  EXPECT_NE(access.error().message.find("seine up"), std::string::npos);
}

TEST(Paths, FollowGroupNamespaceAndSubresource) {
  EXPECT_EQ(path_of({"", "v1", "pods"}, "default", "a", "log"), "/api/v1/namespaces/default/pods/a/log");
  EXPECT_EQ(path_of({"apps", "v1", "deployments"}, ""), "/apis/apps/v1/deployments");
  EXPECT_EQ(resource_of({"networking.istio.io", "v1", "ServiceEntry"}).plural, "serviceentries");
  EXPECT_EQ(resource_of({"networking.istio.io", "v1", "Gateway"}).plural, "gateways");
  EXPECT_EQ(resource_of({"", "v1", "Endpoints"}).plural, "endpoints");
  EXPECT_EQ(resource_of({"networking.k8s.io", "v1", "Ingress"}).plural, "ingresses");
  EXPECT_EQ(resource_of({"policy", "v1", "PodDisruptionBudget"}).plural, "poddisruptionbudgets");
}

TEST(Refusal, CarriesTheServersOwnWords) {
  auto error = refusal(404, R"({"kind":"Status","reason":"NotFound","message":"pods \"a\" not found","code":404})");
  EXPECT_EQ(error.kind, base::ErrorKind::NotFound);
  EXPECT_EQ(error.message, "pods \"a\" not found");
  EXPECT_TRUE(refusal(503, "<html>").retryable);
}

}  // namespace kube
