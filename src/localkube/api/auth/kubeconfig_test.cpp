// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/auth/kubeconfig.h"

#include <gtest/gtest.h>

namespace localkube {
namespace {

base::Json read(const std::string& text) { return base::parse_yaml(text).value().at(0); }

TEST(Kubeconfig, KeepsWhatItsUserWroteAndRefreshesItsOwnEntries) {
  KubeconfigEntries first{{{"server", "https://127.0.0.1:1"}}, {{"client-key-data", "old"}}};
  base::Json config = read(kubeconfig_with("", first));
  EXPECT_EQ(base::text(config, "current-context"), "seine");
  config["contexts"][0]["context"]["namespace"] = "shop";
  config["contexts"].push_back({{"name", "work"}, {"context", {{"cluster", "far"}, {"user", "me"}}}});
  config["clusters"].push_back({{"name", "far"}, {"cluster", {{"server", "https://far"}}}});
  config["users"].push_back({{"name", "me"}, {"user", {{"token", "t"}}}});
  config["current-context"] = "work";

  KubeconfigEntries second{{{"server", "https://127.0.0.1:2"}}, {{"client-key-data", "new"}}};
  base::Json after = read(kubeconfig_with(base::to_yaml(config), second));
  base::Json wanted = config;
  wanted["clusters"][0]["cluster"] = second.cluster;
  wanted["users"][0]["user"] = second.user;
  EXPECT_EQ(after, wanted);
}

TEST(Kubeconfig, AContextThatIsGoneIsNotCurrentAndJunkIsReplaced) {
  KubeconfigEntries entries{{{"server", "https://127.0.0.1:1"}}, base::Json::object()};
  EXPECT_EQ(base::text(read(kubeconfig_with("current-context: gone\n", entries)), "current-context"), "seine");
  EXPECT_EQ(base::text(read(kubeconfig_with("{[", entries)), "current-context"), "seine");
}

}  // namespace
}  // namespace localkube
