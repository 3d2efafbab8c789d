// SPDX-License-Identifier: Apache-2.0
#include "agent/file_secrets.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/testing/folder.h"
#include "identity/certificate.h"
#include "net/certificates_for_test.h"

namespace agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Bench {
  // As a volume's writer does: another file in its place.
  std::string put(const std::string& name, const std::string& text) {
    std::ofstream(directory / "new") << text;
    std::filesystem::rename(directory / "new", directory / name);
    return directory / name;
  }
  static identity::Authority pair() {
    return identity::Authority::self_signed("shop", identity::KeyType::EcP256, identity::WallClock::now()).value();
  }

  base::TestFolder folder;
  const std::filesystem::path directory = folder.path();
  net::Loop loop;
  std::vector<FileSecret> taken;
  std::vector<std::string> missing;
  FileSecrets secrets{loop,
                      [this](const FileSecret& secret) -> base::Result<void> {
                        taken.push_back(secret);
                        return {};
                      },
                      [this](const std::string& name) { missing.push_back(name); }};
};

TEST(FileSecrets, APairIsServedAndAgainWhenItIsReplacedButNeverByHalfOfAnother) {
  Bench bench;
  auto first = Bench::pair(), second = Bench::pair();
  const std::string chain = bench.put("chain.pem", first.certificate_pem());
  const std::string name = "file-cert:" + chain + "~" + bench.put("key.pem", first.key_pem());
  bench.secrets.want(name);
  bench.secrets.look();
  ASSERT_EQ(bench.taken.size(), 1u);
  EXPECT_EQ(bench.taken[0].name, name);
  EXPECT_EQ(bench.taken[0].certificate_chain, first.certificate_pem());
  EXPECT_EQ(bench.taken[0].private_key, first.key_pem());

  bench.put("chain.pem", second.certificate_pem());
  bench.secrets.look();
  EXPECT_EQ(bench.taken.size(), 1u);
  bench.put("key.pem", second.key_pem());
  bench.secrets.look();
  ASSERT_EQ(bench.taken.size(), 2u);
  EXPECT_EQ(bench.taken[1].private_key, second.key_pem());
  EXPECT_THAT(bench.missing, IsEmpty());
}

TEST(FileSecrets, WhatIsNoPairIsMissingEachTimeItIsAskedForUntilItIsMended) {
  Bench bench;
  auto pair = Bench::pair();
  const std::string name = "file-cert:" + bench.directory.string() + "/chain.pem~" + bench.put("key", pair.key_pem());
  bench.secrets.want("file-cert:/etc/passwd~/etc/passwd");
  bench.secrets.want(name);
  bench.secrets.want(name);
  EXPECT_THAT(bench.missing, ElementsAre("file-cert:/etc/passwd~/etc/passwd", name, name));
  EXPECT_THAT(bench.taken, IsEmpty());
  bench.put("chain.pem", pair.certificate_pem());
  bench.secrets.look();
  ASSERT_EQ(bench.taken.size(), 1u);
  EXPECT_EQ(bench.taken[0].name, name);
}

TEST(FileSecrets, RootsComeWithTheirRevocations) {
  Bench bench;
  const std::string roots = bench.put("ca.pem", Bench::pair().certificate_pem());
  const std::string list = net::TestAuthority().revocation_list({});
  const std::string name = "file-root:" + roots + "~" + bench.put("crl.pem", list);
  auto secret = read_file_secret(name);
  ASSERT_TRUE(secret) << secret.error().message;
  EXPECT_THAT(secret->roots, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_EQ(secret->revoked, list);
  bench.put("crl.pem", "no list");
  EXPECT_FALSE(read_file_secret(name));
  EXPECT_FALSE(read_file_secret("file-root:" + roots + "~" + bench.directory.string() + "/none"));
  EXPECT_FALSE(read_file_secret("file-root:/etc/passwd"));
}

TEST(FileSecrets, NobodyWaitsForAPipeOrADevice) {
  Bench bench;
  const std::string pipe = bench.directory / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/zero"), bench.directory.string()}) {
    auto secret = read_file_secret("file-root:" + path);
    ASSERT_FALSE(secret) << path;
    EXPECT_THAT(secret.error().message, testing::AnyOf(HasSubstr("no regular file"), HasSubstr("a directory")));
  }
}

}  // namespace
}  // namespace agent
