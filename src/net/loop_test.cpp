// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "net/address.h"
#include "net/byte_stream.h"

namespace net {
namespace {

using namespace std::chrono_literals;

// Timers are armed in one turn, which has one time: how long a busy machine
// takes from line to line does not change their order.

TEST(Loop, TimersFireInTheOrderOfTheirTimes) {
  Loop loop;
  std::string order;
  Timer third(loop, [&] {
    order += "3";
    loop.stop();
  });
  Timer first(loop, [&] { order += "1"; });
  Timer second(loop, [&] { order += "2"; });
  loop.post([&] {
    third.arm(3ms);
    first.arm(1ms);
    second.arm(2ms);
  });
  loop.run();
  EXPECT_EQ(order, "123");
}

TEST(Loop, ATimerMovedToLaterFiresOnceAtItsNewTime) {
  Loop loop;
  std::string order;
  Clock::time_point begin, fired;
  Timer moved(loop, [&] {
    order += "m";
    fired = loop.now();
  });
  Timer between(loop, [&] { order += "b"; });
  Timer end(loop, [&] { loop.stop(); });
  loop.post([&] {
    begin = loop.now();
    moved.arm(1ms);
    moved.arm(4ms);
    between.arm(2ms);
    end.arm(8ms);
  });
  loop.run();
  EXPECT_EQ(order, "bm");
  EXPECT_GE(fired - begin, 4ms);
  EXPECT_FALSE(moved.armed());
}

TEST(Loop, InALateTurnAMovedTimerStillFiresAtItsPlace) {
  Loop loop;
  std::string order;
  Timer moved(loop, [&] {
    order += "m";
    loop.stop();
  });
  Timer between(loop, [&] { order += "b"; });
  loop.post([&] {
    moved.arm(1us);
    moved.arm(3us);
    between.arm(2us);
    while (Clock::now() <= loop.now() + 3us) {
    }
  });
  loop.run();
  EXPECT_EQ(order, "bm");
}

TEST(Loop, ATimerMayDestroyItselfAndCancelOthers) {
  Loop loop;
  auto self = std::make_unique<std::optional<Timer>>();
  Timer cancelled(loop, [&] { ADD_FAILURE(); });
  Timer end(loop, [&] { loop.stop(); });
  self->emplace(loop, [&] {
    cancelled.cancel();
    self.reset();
  });
  (*self)->arm(1ms);
  cancelled.arm(2ms);
  end.arm(3ms);
  loop.run();
  EXPECT_EQ(self, nullptr);
}

TEST(Loop, JobsPostedByThreadsRunOnTheLoopsThreadInTheirOrder) {
  Loop loop;
  constexpr int kThreads = 4, kJobs = 1000;
  std::vector<std::vector<int>> seen(kThreads);
  std::atomic<int> left = kThreads * kJobs;
  const auto thread = std::this_thread::get_id();
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kJobs; ++i) {
        loop.post([&, t, i] {
          EXPECT_EQ(std::this_thread::get_id(), thread);
          seen[static_cast<size_t>(t)].push_back(i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& numbers : seen) {
    ASSERT_EQ(numbers.size(), size_t{kJobs});
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

struct Counter : IoHandler {
  std::function<void()> call;
  int calls = 0;
  void on_io(uint32_t) override {
    ++calls;
    call();
  }
};

TEST(Loop, AHandlerRemovedDuringATurnIsNotCalledEvenIfItsEventWasRead) {
  Loop loop;
  const int one = eventfd(1, EFD_NONBLOCK), other = eventfd(1, EFD_NONBLOCK);
  Counter a, b;
  // Whichever comes first removes the other.
  a.call = [&] {
    loop.remove(other, b);
    loop.remove(one, a);
  };
  b.call = [&] {
    loop.remove(one, a);
    loop.remove(other, b);
  };
  ASSERT_TRUE(loop.add(one, EPOLLIN, a));
  ASSERT_TRUE(loop.add(other, EPOLLIN, b));
  Timer end(loop, [&] { loop.stop(); });
  end.arm(2ms);
  loop.run();
  EXPECT_EQ(a.calls + b.calls, 1);
  close(one);
  close(other);
}

TEST(Loop, AnEventOfAClosedDescriptorDoesNotReachTheNextOwnerOfItsNumber) {
  Loop loop;
  const int one = eventfd(1, EFD_NONBLOCK), other = eventfd(1, EFD_NONBLOCK);
  Counter a, b, next;
  int made = -1;
  auto replace = [&](int closed, Counter& owner, int mine, Counter& me) {
    return [&loop, &owner, &me, &next, &made, closed, mine] {
      loop.remove(mine, me);
      loop.remove(closed, owner);
      close(closed);
      made = eventfd(0, EFD_NONBLOCK);
      EXPECT_EQ(made, closed);
      ASSERT_TRUE(loop.add(made, EPOLLIN, next));
    };
  };
  next.call = [] {};
  a.call = replace(other, b, one, a);
  b.call = replace(one, a, other, b);
  ASSERT_TRUE(loop.add(one, EPOLLIN, a));
  ASSERT_TRUE(loop.add(other, EPOLLIN, b));
  Timer end(loop, [&] { loop.stop(); });
  end.arm(2ms);
  loop.run();
  EXPECT_EQ(next.calls, 0);
  EXPECT_EQ(a.calls + b.calls, 1);
  close(one);
  close(other);
}

TEST(Loop, DeferredJobsRunOnceAtTheEndOfTheTurnAndCanBeForgotten) {
  Loop loop;
  int calls = 0;
  Deferred once(loop, [](void* n) { ++*static_cast<int*>(n); }, &calls);
  auto forgotten = std::make_unique<Deferred>(loop, [](void*) { ADD_FAILURE(); }, nullptr);
  loop.post([&] {
    once.schedule();
    once.schedule();
    forgotten->schedule();
    forgotten.reset();
    EXPECT_EQ(calls, 0);
    loop.post([&] {
      EXPECT_EQ(calls, 1);
      loop.stop();
    });
  });
  loop.run();
}

TEST(Loop, SleepWaitsAndACancelledSleepIsForgotten) {
  Loop loop;
  {
    auto cancelled = sleep(loop, 0ms);
    auto handle = cancelled.release();
    handle.resume();
    handle.destroy();
  }
  const auto begin = Clock::now();
  run_to_end(loop, sleep(loop, 3ms));
  EXPECT_GE(Clock::now() - begin, 3ms);
}

TEST(Address, TextFormsAreReadAndWritten) {
  for (const char* text : {"10.0.0.1:80", "[::1]:8080", "[2001:db8::1]:0", "unix:/run/x.sock", "unix:@abstract"}) {
    auto address = Address::parse_host_port(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
    EXPECT_EQ(*address, *Address::parse_host_port(text));
    EXPECT_EQ(address->hash(), Address::parse_host_port(text)->hash());
  }
  EXPECT_EQ(Address::parse_host_port("10.0.0.1:80")->with_port(81).text(), "10.0.0.1:81");
  for (const char* text : {"", "10.0.0.1", "10.0.0.256:1", "::1:80", "10.0.0.1:99999", "host:80", "unix:", "[::1]"}) {
    EXPECT_FALSE(Address::parse_host_port(text)) << text;
  }
}

TEST(Address, OneThatTheKernelGaveInMuchRoomIsTheSame) {
  sockaddr_storage room;
  std::memset(&room, 0xff, sizeof room);
  auto& four = reinterpret_cast<sockaddr_in&>(room);
  four.sin_family = AF_INET;
  four.sin_port = htons(9000);
  four.sin_addr.s_addr = htonl(0x0ac80105);
  auto given = Address::of(reinterpret_cast<const sockaddr*>(&room), sizeof room);
  auto written = *Address::parse("10.200.1.5", 9000);
  EXPECT_EQ(given, written);
  EXPECT_EQ(given.hash(), written.hash());
}

TEST(Resolve, LiteralAddressesAndTheHostsFileNeedNoServer) {
  Loop loop;
  auto literal = run_to_end(loop, resolve(loop, "[::1]", 443));
  ASSERT_TRUE(literal);
  EXPECT_EQ(literal->front().text(), "[::1]:443");
  auto local = run_to_end(loop, resolve(loop, "localhost", 80));
  ASSERT_TRUE(local) << local.error().message;
  for (const Address& address : *local) {
    EXPECT_TRUE(address.text() == "127.0.0.1:80" || address.text() == "[::1]:80") << address.text();
  }
}

}  // namespace
}  // namespace net
