// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/testing/folder.h"
#include "localkube/api/server.h"
#include "localkube/network/dns_server.h"

namespace localkube::dns {
namespace {

using namespace std::string_view_literals;

constexpr auto kQuery = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03WEB\x02ns\x00\x00\x01\x00\x01"sv;

TEST(Dns, AQueryIsReadWithItsNameInLowerCase) {
  auto query = parse_query(kQuery);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->id, 0x1234);
  EXPECT_EQ(query->name, "web.ns");
  EXPECT_EQ(query->type, Type::A);
  EXPECT_TRUE(query->recursion_desired);
}

TEST(Dns, CutShortOrPointingQueriesAreDropped) {
  for (size_t size = 0; size < kQuery.size(); size++) EXPECT_FALSE(parse_query(kQuery.substr(0, size))) << size;
  std::string pointer(kQuery);
  pointer[12] = '\xc0';
  EXPECT_FALSE(parse_query(pointer));
}

TEST(Dns, AnswersCarryTheQuestionAndTheAddress) {
  auto query = parse_query(kQuery);
  std::string reply = serialize(*query, {.answers = {{.name = "web.ns", .data = "10.1.2.3"}}}, 512);
  EXPECT_EQ(reply.substr(0, 12), "\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00"sv);
  EXPECT_EQ(reply.substr(reply.size() - 6), "\x00\x04\x0a\x01\x02\x03"sv);
}

TEST(Dns, WhatDoesNotFitIsLeftOutAndMarked) {
  auto query = parse_query(kQuery);
  Reply many;
  for (int i = 0; i < 100; i++) many.answers.push_back({.name = "web.ns", .data = "10.1.2.3"});
  std::string reply = serialize(*query, many, 512);
  EXPECT_LE(reply.size(), 512u);
  EXPECT_TRUE(reply[2] & 0x02);
}

// Whether the server ends this connection at once; a question that it answers shows that it does not.
bool is_turned_away(net::Loop& loop, const net::Address& address, std::vector<int>& connections) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, address.data(), address.size()), 0);
  connections.push_back(fd);
  std::string question{'\0', static_cast<char>(kQuery.size())};
  question += kQuery;
  send(fd, question.data(), question.size(), MSG_NOSIGNAL);
  char byte = 0;
  ssize_t got = -1;
  while (got < 0) {
    net::run_to_end(loop, net::sleep(loop, std::chrono::milliseconds(1)));
    got = recv(fd, &byte, 1, MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN) return true;
  }
  return got == 0;
}

TEST(Dns, OneClientKeepsOnlySoManyConnections) {
  net::Loop loop;
  base::TestFolder folder;
  ApiServerOptions options;
  options.state_dir = folder.path();
  auto api = ApiServer::open(loop, options);
  ASSERT_TRUE(api) << api.error().message;
  auto server = Server::make(loop, (*api)->api(), *net::Address::parse("127.0.0.1", 0));
  ASSERT_TRUE(server) << server.error().message;
  std::vector<int> connections;
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(is_turned_away(loop, (*server)->address(), connections)) << i;
  EXPECT_TRUE(is_turned_away(loop, (*server)->address(), connections));
  for (int fd : connections) close(fd);
  connections.clear();
  net::run_to_end(loop, net::sleep(loop, std::chrono::milliseconds(20)));
  EXPECT_FALSE(is_turned_away(loop, (*server)->address(), connections));
  close(connections.front());
}

TEST(Dns, TheFirstIpv4ResolverOfTheHostIsTaken) {
  EXPECT_EQ(resolver_of("# x\nnameserver fe80::1\nnameserver 192.0.2.1\n")->text(), "192.0.2.1:53");
  EXPECT_FALSE(resolver_of("search a b\n"));
}

}  // namespace
}  // namespace localkube::dns
