// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/host_ports.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/testing/folder.h"
#include "localkube/process/files.h"

namespace localkube {
namespace {

using base::Json;

// hold's side and serve's side on one loop.
class HostPortsTest : public testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    client_.reset();
    hold_.reset();
    ports_.reset();
    auto ends = packet_pair();
    ASSERT_TRUE(ends);
    ports_ = std::make_unique<HostPorts>(loop_, file_);
    hold_ = std::make_unique<PacketChannel>(
        loop_, std::move(ends->first),
        PacketChannel::Calls{.packet = [this](Packet packet) { ports_->answer(*hold_, packet.body); },
                             .closed = [] {}});
    client_ = std::make_unique<HostPortsClient>(loop_, std::move(ends->second));
  }

  // The host chooses the port where it is 0.
  bool listen(const std::string& key) {
    return net::run_to_end(loop_, client_->listen(key, {"127.0.0.1:0"})).has_value();
  }
  std::vector<std::string> keys(const std::string& after = {}) {
    auto found = net::run_to_end(loop_, client_->keys(after));
    EXPECT_TRUE(found);
    return found ? *found : std::vector<std::string>();
  }
  // What a later hold reads.
  std::vector<std::string> remembered() {
    reopen();
    return keys();
  }

  net::Loop loop_;
  base::TestFolder folder_;
  std::filesystem::path file_ = folder_.path() / "ports.json";
  std::unique_ptr<HostPorts> ports_;
  std::unique_ptr<PacketChannel> hold_;
  std::unique_ptr<HostPortsClient> client_;
};

TEST_F(HostPortsTest, WhatIsClosedIsForgotten) {
  ASSERT_TRUE(listen("balancer a/b 80") && listen("node 30080") && listen("api"));
  EXPECT_EQ(keys(), (std::vector<std::string>{"api", "balancer a/b 80", "node 30080"}));
  client_->close("balancer a/b 80");
  EXPECT_EQ(keys(), (std::vector<std::string>{"api", "node 30080"}));
  EXPECT_EQ(remembered(), (std::vector<std::string>{"api", "node 30080"}));
  client_->close("node 30080");  // of an earlier run: nobody listens there now
  EXPECT_EQ(keys(), (std::vector<std::string>{"api"}));
  EXPECT_EQ(remembered(), (std::vector<std::string>{"api"}));
}

TEST_F(HostPortsTest, ManyPortsAreWrittenTogether) {
  int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(watch, folder_.path().c_str(), IN_MOVED_TO), 0);
  constexpr int kPorts = 60;
  for (int i = 0; i < kPorts; i++) ASSERT_TRUE(listen("node " + std::to_string(30000 + i)));
  EXPECT_EQ(remembered().size(), size_t{kPorts});
  char events[64 * 1024];
  ssize_t bytes = read(watch, events, sizeof events);
  close(watch);
  int writes = 0;
  for (ssize_t at = 0; at < bytes; ++writes)
    at += static_cast<ssize_t>(sizeof(inotify_event)) +
          static_cast<ssize_t>(reinterpret_cast<const inotify_event*>(events + at)->len);
  EXPECT_GE(writes, 1);
  EXPECT_LT(writes, kPorts / 2);
}

TEST_F(HostPortsTest, KeysComeInPortions) {
  Json all = Json::object();
  for (int i = 0; i < 600; i++) all["node " + std::to_string(30000 + i)] = "127.0.0.1:" + std::to_string(30000 + i);
  ASSERT_TRUE(write_file(file_, all.dump()));
  reopen();
  size_t count = 0;
  for (auto some = keys(); !some.empty(); some = keys(some.back())) {
    EXPECT_LT(some.size(), 600u);
    count += some.size();
  }
  EXPECT_EQ(count, 600u);
}

}  // namespace
}  // namespace localkube
