// SPDX-License-Identifier: Apache-2.0
#include "localkube/store/store.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/testing/folder.h"

namespace localkube {
namespace {

class StoreTest : public testing::Test {
 protected:
  std::unique_ptr<Store> open(net::Loop& loop, Store::Options options = {}) {
    auto store = Store::open(loop, folder_ + "/store.db", options);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }

  base::TestFolder own_;
  std::string folder_ = own_.path();
};

Json document(const std::string& name, int value = 0) { return {{"metadata", {{"name", name}}}, {"value", value}}; }
Key config_map(const std::string& name) { return {"configmaps", "default", name}; }
Key secret() { return {"secrets", "default", "s"}; }

net::Task<void> put_many(Store& store, std::vector<int64_t>& revisions) {
  for (int i = 0; i < 5; ++i) {
    int64_t expected = i == 0 ? 0 : revisions.back();
    auto record = co_await store.put(config_map("a"), expected, document("a", i));
    if (record) revisions.push_back(record->revision);
  }
}

TEST_F(StoreTest, RevisionsRiseAndReadsSeeTheLastWrite) {
  net::Loop loop;
  auto store = open(loop);
  std::vector<int64_t> revisions;
  net::run_to_end(loop, put_many(*store, revisions));
  ASSERT_EQ(revisions.size(), 5u);
  EXPECT_TRUE(std::is_sorted(revisions.begin(), revisions.end()));
  const Record* record = store->find("configmaps", "default", "a");
  ASSERT_NE(record, nullptr);
  EXPECT_EQ((*record->object)["value"], 4);
  EXPECT_EQ((*record->object)["metadata"]["resourceVersion"], std::to_string(revisions.back()));
}

net::Task<base::Result<void>> put_big(Store& store, std::string name) {
  Json json = document(name);
  json["data"] = std::string(50'000, 'x');
  auto record = co_await store.put(config_map(name), 0, std::move(json));
  if (!record) co_return std::unexpected(record.error());
  co_return base::Result<void>();
}

net::Task<base::Result<void>> remove_one(Store& store, std::string name) {
  const Record* record = store.find("configmaps", "default", name);
  if (!record) co_return base::fail(base::ErrorKind::NotFound, name);
  auto gone = co_await store.remove(config_map(name), record->revision);
  if (!gone) co_return std::unexpected(gone.error());
  co_return base::Result<void>();
}

// A disk of its own, of 6 MB, that this thread alone sees. Needs root.
void take_small_disk(const std::string& folder) {
  ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "this test needs root";
  ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=6m"), 0);
}

void fill_disk(const std::string& folder, const char* name) {
  std::ofstream others(folder + "/" + name);
  while (others << std::string(4096, 'x') << std::flush) continue;
}

TEST_F(StoreTest, OnAFullDiskWritesAreRefusedReadsGoOnAndDeletionsMakeRoom) {
  std::thread([this] {
    take_small_disk(folder_);
    const Store::Options options{.reserve = 3u << 20};
    int made = 0;
    {
      net::Loop loop;
      auto store = open(loop, options);
      base::Result<void> put;
      while (made < 200 && (put = net::run_to_end(loop, put_big(*store, "n" + std::to_string(made))))) ++made;
      ASSERT_FALSE(put);
      EXPECT_EQ(put.error().kind, base::ErrorKind::Exhausted);
      EXPECT_GT(made, 10);
      EXPECT_EQ(store->find("configmaps", "default", "n" + std::to_string(made)), nullptr);
      EXPECT_EQ(store->count("configmaps"), static_cast<size_t>(made));
    }
    fill_disk(folder_, "others");
    net::Loop loop;
    auto store = open(loop, options);
    ASSERT_TRUE(store);
    EXPECT_EQ(store->count("configmaps"), static_cast<size_t>(made)) << "what was acknowledged, and no more";
    for (int i = 0; i < made; ++i) {
      auto gone = net::run_to_end(loop, remove_one(*store, "n" + std::to_string(i)));
      EXPECT_TRUE(gone) << i << ": " << gone.error().message;
    }
    EXPECT_EQ(store->count("configmaps"), 0u);
    auto again = net::run_to_end(loop, put_big(*store, "again"));
    EXPECT_TRUE(again) << again.error().message;
  }).join();
}

TEST_F(StoreTest, AFullDiskWithoutAReserveIsOpenedAndReadAgainAndAgain) {
  std::thread([this] {
    take_small_disk(folder_);
    const Store::Options options{.reserve = 3u << 20};
    const std::string reserve = folder_ + "/store.db.reserve";
    for (const char* end : {"closed", "killed"}) {
      pid_t child = fork();
      if (child == 0) {
        net::Loop loop;
        auto store = open(loop, options);
        bool put = net::run_to_end(loop, put_big(*store, end)).has_value();
        if (end == std::string_view("killed")) kill(getpid(), SIGKILL);
        store.reset();
        _exit(put ? 0 : 1);
      }
      waitpid(child, nullptr, 0);
      std::filesystem::remove(reserve);
      fill_disk(folder_, end);
      for (int i = 0; i < 3; i++) {
        net::Loop loop;
        auto store = open(loop, options);
        ASSERT_TRUE(store) << end << " " << i;
        EXPECT_NE(store->find("configmaps", "default", end), nullptr) << end << " " << i;
        auto put = net::run_to_end(loop, put_big(*store, "refused"));
        ASSERT_FALSE(put);
        EXPECT_EQ(put.error().kind, base::ErrorKind::Exhausted);
        EXPECT_FALSE(std::filesystem::exists(reserve));
      }
      net::Loop loop;
      auto store = open(loop, options);
      std::filesystem::remove(folder_ + "/" + end);
      auto put = net::run_to_end(loop, put_big(*store, std::string("after ") + end));
      EXPECT_TRUE(put) << put.error().message;
      EXPECT_TRUE(std::filesystem::exists(reserve)) << "there is room for it again";
    }
  }).join();
}

TEST_F(StoreTest, AFileThatIsNoStoreIsNamedWithTheRemedy) {
  std::ofstream(folder_ + "/store.db") << std::string(8192, 'x');
  net::Loop loop;
  auto store = Store::open(loop, folder_ + "/store.db", {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, base::ErrorKind::Invalid);
  EXPECT_TRUE(store.error().message.contains(folder_ + "/store.db is damaged")) << store.error().message;
  EXPECT_TRUE(store.error().message.contains("seine down --purge")) << store.error().message;
}

net::Task<void> race(Store& store, int& won, int& lost) {
  auto record = co_await store.put(config_map("a"), 0, document("a"));
  ++(record ? won : lost);
}

TEST_F(StoreTest, OfTwoWritersInOneTurnOneWins) {
  net::Loop loop;
  auto store = open(loop);
  int won = 0, lost = 0;
  net::spawn(race(*store, won, lost));
  net::spawn(race(*store, won, lost));
  EXPECT_EQ(store->find("configmaps", "default", "a"), nullptr) << "not acknowledged yet";
  store->flush();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 1);
  EXPECT_NE(store->find("configmaps", "default", "a"), nullptr);
}

net::Task<void> acknowledge(Store& store, int fd) {
  for (int i = 0;; ++i) {
    std::string name = "n" + std::to_string(i);
    auto record = co_await store.put(config_map(name), 0, document(name));
    if (!record || ::write(fd, &record->revision, sizeof record->revision) < 0) co_return;
  }
}

TEST_F(StoreTest, WhatWasAcknowledgedSurvivesKill9AndRevisionsGoOn) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  pid_t child = fork();
  if (child == 0) {
    net::Loop loop;
    auto store = open(loop);
    loop.post([&] { net::spawn(acknowledge(*store, pipes[1])); });
    loop.run();
    _exit(0);
  }
  close(pipes[1]);
  int64_t revision = 0;
  int acknowledged = 0;
  while (acknowledged < 20 && read(pipes[0], &revision, sizeof revision) == sizeof revision) ++acknowledged;
  kill(child, SIGKILL);
  while (read(pipes[0], &revision, sizeof revision) == sizeof revision) ++acknowledged;
  waitpid(child, nullptr, 0);
  close(pipes[0]);
  ASSERT_GE(acknowledged, 20);

  net::Loop loop;
  auto store = open(loop);
  for (int i = 0; i < acknowledged; ++i)
    EXPECT_NE(store->find("configmaps", "default", "n" + std::to_string(i)), nullptr) << i;
  EXPECT_GE(store->revision(), revision);
  std::vector<int64_t> more;
  net::run_to_end(loop, put_many(*store, more));
  EXPECT_GT(more.front(), revision);
}

net::Task<void> live(Store& store) {
  auto a = co_await store.put(config_map("a"), 0, document("a", 1));
  auto b = co_await store.put(secret(), 0, document("s"));
  auto c = co_await store.put(config_map("a"), a->revision, document("a", 2));
  auto d = co_await store.remove(config_map("a"), c->revision);
  (void)b;
  (void)d;
}

TEST_F(StoreTest, ChangesCanBeReadAgainAfterARestart) {
  {
    net::Loop loop;
    auto store = open(loop);
    net::run_to_end(loop, live(*store));
  }
  net::Loop loop;
  auto store = open(loop);
  auto all = store->changes("configmaps", 0);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[0].type, Event::Type::Added);
  EXPECT_EQ((*(*all)[0].object)["value"], 1);
  EXPECT_EQ((*all)[1].type, Event::Type::Modified);
  EXPECT_EQ((*(*all)[1].object)["value"], 2);
  EXPECT_EQ((*(*all)[1].before)["value"], 1);
  EXPECT_EQ((*all)[2].type, Event::Type::Deleted);
  EXPECT_EQ((*(*all)[2].object)["value"], 2);
  EXPECT_EQ((*(*all)[2].object)["metadata"]["resourceVersion"], std::to_string((*all)[2].revision));
  EXPECT_EQ(store->changes("configmaps", (*all)[1].revision)->size(), 1u);
}

net::Task<void> forget(Store& store) {
  const Record* record = store.find("secrets", "default", "s");
  auto gone = co_await store.remove(secret(), record->revision);
  (void)gone;
}

TEST_F(StoreTest, AHistoryThatIsTooOldIsGoneAlsoAfterARestart) {
  int64_t floor = 0;
  {
    net::Loop loop;
    auto store = open(loop, {.history = 10, .history_bytes = 1u << 20});
    for (int i = 0; i < 5; ++i) {
      net::run_to_end(loop, live(*store));
      net::run_to_end(loop, forget(*store));
    }
    floor = store->oldest();
    EXPECT_GT(floor, 0);
    EXPECT_FALSE(store->changes("configmaps", floor - 1));
    EXPECT_TRUE(store->changes("configmaps", floor));
  }
  net::Loop loop;
  auto store = open(loop, {.history = 10, .history_bytes = 1u << 20});
  EXPECT_EQ(store->oldest(), floor);
  EXPECT_FALSE(store->changes("configmaps", floor - 1));
}

TEST_F(StoreTest, ASecondProcessIsTurnedAway) {
  net::Loop loop;
  auto first = open(loop);
  auto second = Store::open(loop, folder_ + "/store.db", {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process holds the store"), std::string::npos);
}

}  // namespace
}  // namespace localkube
