// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

namespace net {

template <typename T = void>
class Task;

namespace detail {

struct FinalAwaiter {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    std::coroutine_handle<> next = handle.promise().continuation;
    if (handle.promise().detached) handle.destroy();
    return next ? next : std::noop_coroutine();
  }
  void await_resume() noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation;
  bool detached = false;
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::abort(); }  // we do not throw
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
};

}  // namespace detail

// A coroutine whose story is waiting. It starts when it is first awaited, or
// by spawn(), and always runs on the thread of the loop that resumes it. A task
// that is destroyed before its end is cancelled: what it waits for must cope.
//
// Coroutines are named functions that take values, never capturing lambdas.
template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*handle_.promise().value);
  }

  Handle release() { return std::exchange(handle_, {}); }

 private:
  Handle handle_;
};

template <typename T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// Runs the task at once up to its first wait; nobody awaits its end.
inline void spawn(Task<void> task) {
  auto handle = task.release();
  handle.promise().detached = true;
  handle.resume();
}

// A value that one coroutine waits for and somebody sets later, on the same
// thread. Copies share the state. Setting it twice keeps the first value.
template <typename T>
class Oneshot {
 public:
  Oneshot() : state_(std::make_shared<State>()) {}

  bool is_set() const { return state_->value.has_value(); }
  void set(T value) const {
    auto state = state_;  // resuming may destroy this object
    if (state->value) return;
    state->value.emplace(std::move(value));
    if (auto waiter = std::exchange(state->waiter, {})) waiter.resume();
  }

  // Wait for it: T value = co_await oneshot.wait();
  struct Awaiter;
  Awaiter wait() const { return Awaiter{state_}; }

 private:
  struct State {
    std::optional<T> value;
    std::coroutine_handle<> waiter;
  };
  std::shared_ptr<State> state_;

 public:
  struct Awaiter {
    std::shared_ptr<State> state;
    explicit Awaiter(std::shared_ptr<State> s) : state(std::move(s)) {}
    Awaiter(const Awaiter&) = delete;
    ~Awaiter() { state->waiter = {}; }
    bool await_ready() const noexcept { return state->value.has_value(); }
    void await_suspend(std::coroutine_handle<> handle) noexcept { state->waiter = handle; }
    T await_resume() { return std::move(*state->value); }
  };
};

// Wakes one coroutine, as often as it waits: co_await signal.wait(). What is
// signalled while nobody waits is forgotten, so the waiter looks first. The
// owner of the signal keeps it alive while somebody waits.
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;

  void notify() {
    if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
  }
  struct Awaiter {
    Signal& signal;
    explicit Awaiter(Signal& s) : signal(s) {}
    Awaiter(const Awaiter&) = delete;
    ~Awaiter() {
      if (waiting) signal.waiter_ = {};
    }
    bool waiting = false;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      signal.waiter_ = handle;
      waiting = true;
    }
    void await_resume() noexcept { waiting = false; }
  };
  Awaiter wait() { return Awaiter(*this); }

 private:
  std::coroutine_handle<> waiter_;
};

// Values in order from many writers to one reader, on one thread; unbounded, so
// a writer that serves a peer checks size(). Copies share the queue.
template <typename T>
class Queue {
 public:
  Queue() : state_(std::make_shared<State>()) {}

  void push(T value) const {
    auto state = state_;
    state->values.push_back(std::move(value));
    if (auto waiter = std::exchange(state->waiter, {})) waiter.resume();
  }
  // Ends the queue: the reader gets what is left, then nullopt.
  void close() const {
    auto state = state_;
    state->closed = true;
    if (auto waiter = std::exchange(state->waiter, {})) waiter.resume();
  }
  size_t size() const { return state_->values.size(); }
  bool closed() const { return state_->closed; }

  // The next value, or nullopt once closed and empty: auto v = co_await queue.next();
  struct Awaiter;
  Awaiter next() const { return Awaiter{state_}; }

 private:
  struct State {
    std::deque<T> values;
    bool closed = false;
    std::coroutine_handle<> waiter;
  };
  std::shared_ptr<State> state_;

 public:
  struct Awaiter {
    std::shared_ptr<State> state;
    explicit Awaiter(std::shared_ptr<State> s) : state(std::move(s)) {}
    Awaiter(const Awaiter&) = delete;
    ~Awaiter() { state->waiter = {}; }
    bool await_ready() const noexcept { return !state->values.empty() || state->closed; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { state->waiter = handle; }
    std::optional<T> await_resume() {
      if (state->values.empty()) return std::nullopt;
      std::optional<T> value(std::move(state->values.front()));
      state->values.pop_front();
      return value;
    }
  };
};

}  // namespace net
