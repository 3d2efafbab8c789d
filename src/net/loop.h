// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/error.h"
#include "net/task.h"

namespace net {

using Clock = std::chrono::steady_clock;

// Told about readiness of one file descriptor. The owner keeps it alive until
// Loop::remove; after that it is not called, not even for events already read.
class IoHandler {
 public:
  virtual void on_io(uint32_t events) = 0;  // EPOLLIN, EPOLLOUT, EPOLLHUP, ...

 protected:
  ~IoHandler() = default;
};

// One thread's event loop over epoll. Everything that is registered here, every
// connection and every coroutine of it lives on that thread and never leaves
// it; post() and stop() alone may be called from elsewhere.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;

  void run();                                      // until stop()
  void stop();                                     // from any thread, or a signal handler
  void post(std::move_only_function<void()> job);  // from any thread; runs on the loop's thread, in order

  // Runs the job once the events of this turn are handled: the place to flush
  // what several events wrote. Only from the loop's thread.
  void at_end_of_turn(std::move_only_function<void()> job);

  // The time at which this turn began.
  Clock::time_point now() const;

  base::Result<void> add(int fd, uint32_t events, IoHandler& handler);
  base::Result<void> modify(int fd, uint32_t events, IoHandler& handler);
  void remove(int fd, IoHandler& handler);

  // Owns an object until it is let go, or the loop ends: for what has to finish
  // something after its owner is gone.
  void keep(std::shared_ptr<void> object);
  void let_go(const void* object);

  // The loop that runs on this thread. Asserts that there is one.
  static Loop& current();

 private:
  friend class Timer;
  friend class Deferred;
  struct State;
  std::unique_ptr<State> state_;
};

// A job of one object for the end of the turn: scheduling it again before it
// ran changes nothing, destroying it forgets it. Allocates nothing. What is
// scheduled by such jobs themselves may run a turn later. Loop's thread only.
class Deferred {
 public:
  Deferred(Loop& loop, void (*call)(void*), void* argument) : loop_(loop), call_(call), argument_(argument) {}
  ~Deferred() { cancel(); }
  Deferred(const Deferred&) = delete;

  void schedule() {
    if (!linked_) link();
  }
  void cancel() {
    if (linked_) unlink();
  }

 private:
  friend class Loop;
  void link();
  void unlink();

  Loop& loop_;
  void (*call_)(void*);
  void* argument_;
  Deferred* next_ = nullptr;
  Deferred* previous_ = nullptr;
  bool linked_ = false;
};

// Calls back once, at or after its time, on the loop's thread. Destroying or
// cancelling it forgets the call. Arming an armed timer moves it, cheaply.
class Timer {
 public:
  Timer(Loop& loop, std::move_only_function<void()> call);
  ~Timer();
  Timer(const Timer&) = delete;

  void arm(Clock::duration delay);
  void cancel();
  bool armed() const;

 private:
  friend class Loop;
  void fire();

  Loop& loop_;
  std::move_only_function<void()> call_;
  Clock::time_point due_{};
  size_t heap_index_ = static_cast<size_t>(-1);
  bool* gone_ = nullptr;  // set by the destructor while the call runs
};

// co_await sleep(loop, 5s);
Task<void> sleep(Loop& loop, Clock::duration delay);

// Runs the loop until the task is done, and returns what it returned. For
// command-line programs and tests; the loop must not be running already.
template <typename T>
T run_to_end(Loop& loop, Task<T> task);

namespace detail {
template <typename T>
Task<void> finish_into(Loop& loop, Task<T> task, std::optional<T>& out) {
  out.emplace(co_await task);
  loop.stop();
}
inline Task<void> finish(Loop& loop, Task<void> task) {
  co_await task;
  loop.stop();
}
}  // namespace detail

template <typename T>
T run_to_end(Loop& loop, Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    loop.post([&] { spawn(detail::finish(loop, std::move(task))); });
    loop.run();
  } else {
    std::optional<T> out;
    loop.post([&] { spawn(detail::finish_into(loop, std::move(task), out)); });
    loop.run();
    return std::move(*out);
  }
}

}  // namespace net
