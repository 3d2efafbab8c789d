// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/auth/rbac.h"

#include <gtest/gtest.h>

#include "base/testing/folder.h"
#include "net/loop.h"

namespace localkube {
namespace {

class RbacTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::open(loop_, folder_ + "/store.db", {});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  void put(const std::string& kind, const std::string& ns, const std::string& name, Json rest) {
    rest["metadata"] = {{"name", name}, {"namespace", ns}};
    net::run_to_end(loop_, store_->put({"rbac.authorization.k8s.io/" + kind, ns, name}, 0, std::move(rest)));
  }
  void bind(const std::string& kind, const std::string& ns, const std::string& role_kind, const std::string& role,
            Json subject) {
    put(kind, ns, "binding-of-" + role,
        {{"roleRef", {{"kind", role_kind}, {"name", role}}}, {"subjects", Json::array({std::move(subject)})}});
  }
  bool may(const User& user, Attributes wish) { return Rbac(*store_).decide(user, wish).allowed; }

  net::Loop loop_;
  base::TestFolder own_;
  std::string folder_ = own_.path();
  std::unique_ptr<Store> store_;
  User app_{.name = "system:serviceaccount:shop:app", .groups = {"system:serviceaccounts", "system:authenticated"}};
  Json app_subject_ = {{"kind", "ServiceAccount"}, {"name", "app"}, {"namespace", "shop"}};
};

TEST_F(RbacTest, WhatNoRuleAllowsIsForbidden) {
  EXPECT_FALSE(may(app_, {.verb = "get", .resource = "secrets", .ns = "istio-system", .name = "istio-ca-secret"}));
  EXPECT_FALSE(may(
      app_, {.verb = "create", .resource = "serviceaccounts", .subresource = "token", .ns = "shop", .name = "other"}));
  EXPECT_TRUE(may(app_, {.verb = "get", .path = "/apis/apps/v1"}));
  EXPECT_TRUE(may(app_, {.verb = "create", .group = "authorization.k8s.io", .resource = "selfsubjectaccessreviews"}));
  EXPECT_FALSE(may(app_, {.verb = "get", .path = "/apisx"}));
}

TEST_F(RbacTest, AdministratorsMayDoEverything) {
  EXPECT_TRUE(may({.name = "kubernetes-admin", .groups = {"system:masters"}},
                  {.verb = "delete", .resource = "nodes", .name = "seine"}));
}

TEST_F(RbacTest, ARoleBindingReachesItsNamespaceOnly) {
  put("roles", "shop", "reader",
      {{"rules", Json::array({{{"apiGroups", {""}}, {"resources", {"pods"}}, {"verbs", {"get"}}}})}});
  bind("rolebindings", "shop", "Role", "reader", app_subject_);
  EXPECT_TRUE(may(app_, {.verb = "get", .resource = "pods", .ns = "shop", .name = "a"}));
  EXPECT_FALSE(may(app_, {.verb = "get", .resource = "pods", .subresource = "exec", .ns = "shop", .name = "a"}));
  EXPECT_FALSE(may(app_, {.verb = "delete", .resource = "pods", .ns = "shop", .name = "a"}));
  EXPECT_FALSE(may(app_, {.verb = "get", .resource = "pods", .ns = "bank", .name = "a"}));
  EXPECT_FALSE(may({.name = "system:serviceaccount:bank:app"}, {.verb = "get", .resource = "pods", .ns = "shop"}));
}

TEST_F(RbacTest, ResourceNamesNarrowARule) {
  put("clusterroles", "", "one",
      {{"rules",
        Json::array(
            {{{"apiGroups", {""}}, {"resources", {"secrets"}}, {"verbs", {"*"}}, {"resourceNames", {"mine"}}}})}});
  bind("clusterrolebindings", "", "ClusterRole", "one", {{"kind", "Group"}, {"name", "system:serviceaccounts"}});
  EXPECT_TRUE(may(app_, {.verb = "get", .resource = "secrets", .ns = "any", .name = "mine"}));
  EXPECT_FALSE(may(app_, {.verb = "get", .resource = "secrets", .ns = "any", .name = "yours"}));
  EXPECT_FALSE(may(app_, {.verb = "list", .resource = "secrets", .ns = "any"}));
}

TEST_F(RbacTest, TheRolesThatAreThereEndWhereKubernetesOnesDo) {
  auto role_may = [this](const char* role, const char* verb, const char* group, const char* resource,
                         const char* subresource = "") {
    User user{.name = role, .groups = {"system:authenticated"}};
    return may(user, {.verb = verb, .group = group, .resource = resource, .subresource = subresource, .ns = "shop"});
  };
  for (const char* role : {"view", "edit", "admin"})
    bind("rolebindings", "shop", "ClusterRole", role, {{"kind", "User"}, {"name", role}});
  EXPECT_TRUE(role_may("edit", "update", "apps", "deployments", "scale"));
  EXPECT_TRUE(role_may("edit", "create", "", "serviceaccounts", "token"));
  EXPECT_TRUE(role_may("edit", "get", "", "secrets"));
  for (const char* role : {"edit", "admin"}) {  // where a Service leads decides what it can be made to reach
    EXPECT_TRUE(role_may(role, "list", "discovery.k8s.io", "endpointslices"));
    EXPECT_FALSE(role_may(role, "create", "discovery.k8s.io", "endpointslices"));
    EXPECT_FALSE(role_may(role, "update", "", "endpoints"));
    EXPECT_FALSE(role_may(role, "update", "apps", "deployments", "status"));
    EXPECT_FALSE(role_may(role, "update", "", "services", "status"));
  }
  EXPECT_FALSE(role_may("view", "get", "", "secrets"));
  EXPECT_FALSE(role_may("view", "get", "", "pods", "exec"));
  EXPECT_FALSE(role_may("view", "create", "", "pods"));
  EXPECT_FALSE(role_may("edit", "list", "rbac.authorization.k8s.io", "roles"));
  EXPECT_TRUE(role_may("admin", "list", "rbac.authorization.k8s.io", "roles"));
}

TEST_F(RbacTest, OnlyWhoMayDoEverythingGrants) {
  put("clusterroles", "", "binder",
      {{"rules",
        Json::array({{{"apiGroups", {"rbac.authorization.k8s.io"}}, {"resources", {"*"}}, {"verbs", {"*"}}}})}});
  bind("clusterrolebindings", "", "ClusterRole", "binder", app_subject_);
  Attributes wish{.verb = "create", .group = "rbac.authorization.k8s.io", .resource = "clusterrolebindings"};
  EXPECT_FALSE(may(app_, wish));
  bind("clusterrolebindings", "", "ClusterRole", "cluster-admin", app_subject_);
  EXPECT_TRUE(may(app_, wish));
}

}  // namespace
}  // namespace localkube
