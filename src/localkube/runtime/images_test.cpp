// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "localkube/process/files.h"

namespace localkube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Images, ShortNamesMeanDockerHub) {
  EXPECT_EQ(image_name("nginx").repository, "docker.io/library/nginx");
  EXPECT_EQ(image_name("nginx").tag, "latest");
  EXPECT_EQ(image_name("istio/examples-helloworld-v1:1.0").repository, "docker.io/istio/examples-helloworld-v1");
  EXPECT_EQ(image_name("docker.io/nginx:1").repository, "docker.io/library/nginx");
  EXPECT_EQ(image_name("index.docker.io/nginx").repository, "docker.io/library/nginx");
  EXPECT_EQ(image_name("docker.io/istio/pilot").repository, "docker.io/istio/pilot");
  EXPECT_EQ(image_name("localhost:5000/a/b:1@sha256:00").repository, "localhost:5000/a/b");
  EXPECT_EQ(image_name("localhost:5000/a/b:1@sha256:00").tag, "1");
}

TEST(Images, BuiltInOnesAreFoundWhateverTheTag) {
  Images images("/nonexistent/images.yaml");
  auto hello = images.find("docker.io/istio/examples-helloworld-v2:1.0");
  ASSERT_TRUE(hello);
  EXPECT_THAT(hello->env, ElementsAre("SERVICE_VERSION=v2"));
}

TEST(Images, TheUsersRegistrationWinsAndMayNameATag) {
  auto file = std::filesystem::temp_directory_path() / ("images_test." + std::to_string(getpid()));
  ASSERT_TRUE(write_file(file, "nginx:1.25: [my-nginx, -x]\nexample.com/app: [app]\n"));
  Images images(file);
  EXPECT_THAT(images.find("nginx:1.25")->entrypoint, ElementsAre("my-nginx", "-x"));
  EXPECT_THAT(images.find("nginx:1.26")->arguments, ElementsAre("seine-samples", "nginx"));
  EXPECT_THAT(images.find("example.com/app:v7")->entrypoint, ElementsAre("app"));
  std::filesystem::remove(file);
}

TEST(Images, ATypoInTheUsersFileStopsOnlyWhatMustBeLookedUpInIt) {
  auto file = std::filesystem::temp_directory_path() / ("images_test.typo." + std::to_string(getpid()));
  ASSERT_TRUE(write_file(file, "example.com/app: [app\n"));
  Images images(file);
  EXPECT_TRUE(images.find("seine/pilot:1"));
  auto unknown = images.find("example.com/app");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr(file.string()));

  ASSERT_TRUE(write_file(file, "example.com/app: [app]\n"));
  EXPECT_TRUE(images.find("example.com/app"));
  ASSERT_TRUE(write_file(file, "example.com/app: [app]\nexample.com/other: [other\n"));
  EXPECT_THAT(images.find("example.com/app")->entrypoint, ElementsAre("app"));
  EXPECT_FALSE(images.find("example.com/other"));

  std::filesystem::remove(file);
  EXPECT_FALSE(images.find("example.com/app")) << "a file that is gone registers nothing";
}

TEST(Images, ALineThatIsNoListIsToldAsSuch) {
  auto file = std::filesystem::temp_directory_path() / ("images_test.plain." + std::to_string(getpid()));
  ASSERT_TRUE(write_file(file, "example.com/app: /usr/bin/app\n"));
  auto found = Images(file).find("example.com/app");
  std::filesystem::remove(file);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("\"example.com/app\" must be a list"));
}

TEST(Images, AnUnknownOneSaysHowToRegisterIt) {
  Images images("/state/images.yaml");
  auto unknown = images.find("example.com/what:1");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("/state/images.yaml"));
}

}  // namespace
}  // namespace localkube
