// SPDX-License-Identifier: Apache-2.0
#include "control/options.h"

#include <gtest/gtest.h>

#include <map>

namespace control {
namespace {

base::Result<Options> parse(std::vector<const char*> arguments, std::map<std::string, std::string> environment = {}) {
  return parse_options(arguments, [&](const char* name) { return environment[name]; });
}

TEST(Options, ComeFromTheDeploymentsEnvironment) {
  Options out =
      parse({"discovery"}, {{"POD_NAMESPACE", "mesh"}, {"REVISION", "canary"}, {"PROXY_IMAGE", "p:1"}}).value();
  EXPECT_EQ(out.ns, "mesh");
  EXPECT_EQ(out.injection.revision, "canary");
  EXPECT_EQ(out.injection.proxy_image, "p:1");
  EXPECT_EQ(out.injection.ca_address, "istiod.mesh.svc:15012");
  EXPECT_EQ(out.plaintext_port, -1);
}

TEST(Options, FlagsTakeTheirValueEitherWay) {
  Options out = parse({"--config-dir", "/x", "--plaintext=15010", "--secure-port", ":0"}).value();
  EXPECT_EQ(out.config_dir, "/x");
  EXPECT_EQ(out.plaintext_port, 15010);
  EXPECT_EQ(out.secure_port, 0);
}

TEST(Options, MistakesAreNamed) {
  EXPECT_FALSE(parse({"--nonsense", "1"}));
  EXPECT_FALSE(parse({"--plaintext", "70000"}));
  EXPECT_FALSE(parse({"--plaintext"}));
  EXPECT_FALSE(parse({"serve"}));
}

}  // namespace
}  // namespace control
