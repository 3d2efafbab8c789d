// SPDX-License-Identifier: Apache-2.0
#include "cli/config_difference.h"

#include <gtest/gtest.h>

namespace cli {
namespace {

base::Json dump(const base::Json& clusters, const base::Json& routes) {
  return {{"configs",
           {{{"@type", "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"}, {"dynamic_active_clusters", clusters}},
            {{"@type", "type.googleapis.com/envoy.admin.v3.RoutesConfigDump"}, {"dynamic_route_configs", routes}}}}};
}

base::Json cluster(const char* name, const char* timeout) {
  return {{"version_info", "1"}, {"cluster", {{"name", name}, {"connect_timeout", timeout}}}};
}

TEST(ConfigDifference, TheSameContentMatchesWhateverItsVersions) {
  base::Json route = {{"version_info", "7"}, {"route_config", {{"name", "80"}}}};
  base::Json loaded = {
      {"version_info", "9"}, {"last_updated", "2026-01-02T03:04:05.000Z"}, {"route_config", {{"name", "80"}}}};
  EXPECT_EQ(config_difference(dump(base::Json::array({cluster("a", "1s")}), base::Json::array({route})),
                              dump(base::Json::array({cluster("a", "1s")}), base::Json::array({loaded}))),
            "Clusters Match\nListeners Match\nRoutes Match (RDS last loaded at 2026-01-02T03:04:05.000Z)\n");
}

TEST(ConfigDifference, NamesAreToldThatOneSideLacksOrHasOtherwise) {
  base::Json none = base::Json::array();
  base::Json sent = base::Json::array({cluster("a", "1s"), cluster("b", "1s")});
  base::Json has = base::Json::array({cluster("b", "2s"), cluster("c", "1s")});
  EXPECT_EQ(config_difference(dump(sent, none), dump(has, none)),
            "Clusters Don't Match\n  only at istiod: a\n  not the same: b\n  only at the proxy: c\n"
            "Listeners Match\nRoutes Match\n");
}

}  // namespace
}  // namespace cli
