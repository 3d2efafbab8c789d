// SPDX-License-Identifier: Apache-2.0
#include "cli/control_plane.h"

#include <gtest/gtest.h>

namespace cli {
namespace {

TEST(ProxyStatus, InJsonIsOfTheProxyThatWasAskedFor) {
  std::vector<PodAnswer> answers(2);
  answers[0].body = base::Json::array({{{"proxy", "a.default"}}, {{"proxy", "b.default"}}});
  answers[1].body = base::Json::array({{{"proxy", "c.default"}}});
  EXPECT_EQ(chosen_proxies(answers, "b.default"), base::Json::array({{{"proxy", "b.default"}}}));
  EXPECT_EQ(chosen_proxies(answers, "").size(), 3u);
}

TEST(Version, SaysInIstiosWordsThatNoControlPlaneRuns) {
  EXPECT_EQ(absence({.kind = base::ErrorKind::NotFound, .message = "x"}, "mesh"),
            "Istio is not present in the cluster: no running Istio pods in namespace \"mesh\"");
  EXPECT_NE(absence({.kind = base::ErrorKind::Closed, .message = "refused"}, "mesh").find("refused"),
            std::string::npos);
}

}  // namespace
}  // namespace cli
