// SPDX-License-Identifier: Apache-2.0
#include "cli/cluster.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "net/address.h"

namespace cli {

// A port that is bound and not listened on refuses, and nobody else gets it meanwhile.
static net::Task<base::Result<void>> ask(kube::Client& client) {
  auto response = co_await client.request("GET", "/version");
  if (!response) co_return std::unexpected(response.error());
  co_return base::Result<void>();
}

TEST(Cluster, ThatDoesNotRunOnThisMachineNamesWhatStartsIt) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto any = net::Address::parse("127.0.0.1", 0);
  ASSERT_TRUE(any);
  ASSERT_EQ(bind(fd, any->data(), any->size()), 0);
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size), 0);
  kube::Access access;
  access.host = "127.0.0.1";
  access.port = ntohs(bound.sin_port);
  access.tls = false;
  Cluster cluster(std::move(access));
  auto answer = cluster.wait(ask(*cluster.client));
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().message.ends_with("`seine up` starts this machine's")) << answer.error().message;
  close(fd);
}

TEST(Cluster, OfAnotherMachineIsNotForSeineToStart) {
  base::Error refused{.kind = base::ErrorKind::Unavailable, .message = "connect to 10.1.2.3:6443: Connection refused"};
  EXPECT_EQ(with_remedy(refused, "10.1.2.3").message, refused.message);
  base::Error denied{.kind = base::ErrorKind::Denied, .message = "pods is forbidden"};
  EXPECT_EQ(with_remedy(denied, "127.0.0.1").message, denied.message);
}

}  // namespace cli
