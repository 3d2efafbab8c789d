// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace net {
namespace {

constexpr size_t kNotInHeap = static_cast<size_t>(-1);
constexpr int kEventsATurn = 256;
constexpr int kPassesATurn = 4;  // of deferred jobs that schedule others
constexpr uint64_t kWakeUp = ~uint64_t{0};

thread_local Loop* running = nullptr;

using Job = std::move_only_function<void()>;

}  // namespace

// A descriptor's slot counts its registrations, and an event carries the count
// that it was asked for with: one that belongs to a handler removed meanwhile,
// even to a closed and reused descriptor, finds another count and is dropped.
struct Loop::State {
  struct Slot {
    IoHandler* handler = nullptr;
    uint32_t generation = 0;
  };
  struct HeapEntry {
    Clock::time_point due;
    Timer* timer;
  };

  int epoll = -1;
  int wake = -1;
  std::atomic<bool> stopping{false};
  Clock::time_point now = Clock::now();
  std::vector<Slot> slots;

  std::mutex mutex;
  std::vector<Job> remote;  // guarded by mutex
  std::vector<Job> local;   // posted from this thread
  std::vector<Job> at_end;
  std::unordered_map<const void*, std::shared_ptr<void>> kept;
  Deferred* first = nullptr;
  Deferred* last = nullptr;

  // A binary heap. An entry's time may be earlier than its timer's: a timer that
  // is moved to later stays where it is and is put right when its old time comes.
  std::vector<HeapEntry> heap;

  void place(size_t i, HeapEntry entry) {
    heap[i] = entry;
    entry.timer->heap_index_ = i;
  }
  void sift_up(size_t i, HeapEntry entry) {
    while (i > 0 && entry.due < heap[(i - 1) / 2].due) {
      place(i, heap[(i - 1) / 2]);
      i = (i - 1) / 2;
    }
    place(i, entry);
  }
  void sift_down(size_t i, HeapEntry entry) {
    for (;;) {
      size_t child = 2 * i + 1;
      if (child >= heap.size()) break;
      if (child + 1 < heap.size() && heap[child + 1].due < heap[child].due) ++child;
      if (entry.due <= heap[child].due) break;
      place(i, heap[child]);
      i = child;
    }
    place(i, entry);
  }
  void insert(Timer& timer) {
    heap.push_back({});
    sift_up(heap.size() - 1, {timer.due_, &timer});
  }
  void take_out(size_t i) {
    heap[i].timer->heap_index_ = kNotInHeap;
    HeapEntry moved = heap.back();
    heap.pop_back();
    if (i == heap.size()) return;
    if (i > 0 && moved.due < heap[(i - 1) / 2].due) {
      sift_up(i, moved);
    } else {
      sift_down(i, moved);
    }
  }

  void fire_timers() {
    // Only what is due now: a timer that arms itself again at once waits a turn.
    // In a late turn, too, a timer that was moved takes its new place before it may fire.
    while (!heap.empty() && heap.front().due <= now) {
      Timer* timer = heap.front().timer;
      if (timer->due_ > heap.front().due) {
        sift_down(0, {timer->due_, timer});
        continue;
      }
      take_out(0);
      timer->fire();
    }
  }

  int wait_milliseconds() const {
    if (first || !at_end.empty() || !local.empty() || stopping.load(std::memory_order_relaxed)) return 0;
    if (heap.empty()) return -1;
    auto left = heap.front().due - Clock::now();
    if (left <= Clock::duration::zero()) return 0;
    auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<int64_t>(rounded, 3'600'000));
  }

  void run_posted() {
    std::vector<Job> from_others, from_here;
    {
      std::lock_guard lock(mutex);
      from_others.swap(remote);
    }
    from_here.swap(local);  // what these jobs post waits for the next turn
    for (Job& job : from_others) job();
    for (Job& job : from_here) job();
  }

  void run_deferred() {
    for (int pass = 0; pass < kPassesATurn && (first || !at_end.empty()); ++pass) {
      std::vector<Job> jobs;
      jobs.swap(at_end);
      for (Job& job : jobs) job();
      Deferred* stop_after = last;
      while (first) {
        Deferred* job = first;
        const bool was_last = job == stop_after;
        job->unlink();
        job->call_(job->argument_);
        if (was_last) break;
      }
    }
  }

  void write_wake() const {
    const uint64_t one = 1;
    while (::write(wake, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }
};

Loop::Loop() : state_(std::make_unique<State>()) {
  state_->epoll = epoll_create1(EPOLL_CLOEXEC);
  state_->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeUp}};
  if (state_->epoll < 0 || state_->wake < 0 || epoll_ctl(state_->epoll, EPOLL_CTL_ADD, state_->wake, &event) != 0) {
    std::abort();  // no descriptors at the start of a thread: nothing can work
  }
}

Loop::~Loop() {
  // What waits in the queues may own objects that still talk to this loop.
  state_->kept.clear();
  state_->at_end.clear();
  state_->local.clear();
  state_->remote.clear();
  close(state_->wake);
  close(state_->epoll);
}

void Loop::run() {
  State& s = *state_;
  Loop* outer = std::exchange(running, this);
  epoll_event events[kEventsATurn];
  while (!s.stopping.load(std::memory_order_acquire)) {
    int count = epoll_wait(s.epoll, events, kEventsATurn, s.wait_milliseconds());
    s.now = Clock::now();
    bool woken = !s.local.empty();
    for (int i = 0; i < count; ++i) {
      const uint64_t key = events[i].data.u64;
      if (key == kWakeUp) {
        uint64_t ignored;
        while (::read(s.wake, &ignored, sizeof ignored) < 0 && errno == EINTR) {
        }
        woken = true;
        continue;
      }
      const State::Slot slot = s.slots[key & 0xffffffff];
      if (slot.handler && slot.generation == key >> 32) slot.handler->on_io(events[i].events);
    }
    s.fire_timers();
    if (woken) s.run_posted();
    s.run_deferred();
  }
  s.stopping.store(false, std::memory_order_release);
  running = outer;
}

void Loop::stop() {
  state_->stopping.store(true, std::memory_order_release);
  state_->write_wake();
}

void Loop::post(std::move_only_function<void()> job) {
  if (running == this) {
    state_->local.push_back(std::move(job));
    return;
  }
  bool first;
  {
    std::lock_guard lock(state_->mutex);
    first = state_->remote.empty();
    state_->remote.push_back(std::move(job));
  }
  if (first) state_->write_wake();
}

void Loop::at_end_of_turn(std::move_only_function<void()> job) { state_->at_end.push_back(std::move(job)); }

Clock::time_point Loop::now() const { return running == this ? state_->now : Clock::now(); }

void Loop::keep(std::shared_ptr<void> object) {
  const void* key = object.get();
  state_->kept.emplace(key, std::move(object));
}

void Loop::let_go(const void* object) {
  auto node = state_->kept.extract(object);  // destroyed here, when the table is whole again
}

base::Result<void> Loop::add(int fd, uint32_t events, IoHandler& handler) {
  const auto index = static_cast<size_t>(fd);
  if (index >= state_->slots.size()) state_->slots.resize(std::max(index + 1, 2 * state_->slots.size()));
  State::Slot& slot = state_->slots[index];
  epoll_event event{.events = events, .data = {.u64 = uint64_t{++slot.generation} << 32 | index}};
  if (epoll_ctl(state_->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    return std::unexpected(base::system_error("epoll_ctl add", errno));
  }
  slot.handler = &handler;
  return {};
}

base::Result<void> Loop::modify(int fd, uint32_t events, IoHandler& handler) {
  State::Slot& slot = state_->slots[static_cast<size_t>(fd)];
  slot.handler = &handler;
  epoll_event event{.events = events, .data = {.u64 = uint64_t{slot.generation} << 32 | static_cast<uint32_t>(fd)}};
  if (epoll_ctl(state_->epoll, EPOLL_CTL_MOD, fd, &event) != 0) {
    return std::unexpected(base::system_error("epoll_ctl modify", errno));
  }
  return {};
}

void Loop::remove(int fd, IoHandler& handler) {
  const auto index = static_cast<size_t>(fd);
  if (index >= state_->slots.size() || state_->slots[index].handler != &handler) return;
  state_->slots[index].handler = nullptr;
  ++state_->slots[index].generation;
  epoll_ctl(state_->epoll, EPOLL_CTL_DEL, fd, nullptr);
}

Loop& Loop::current() {
  assert(running && "no loop runs on this thread");
  return *running;
}

void Deferred::link() {
  Loop::State& s = *loop_.state_;
  previous_ = s.last;
  next_ = nullptr;
  (s.last ? s.last->next_ : s.first) = this;
  s.last = this;
  linked_ = true;
}

void Deferred::unlink() {
  Loop::State& s = *loop_.state_;
  (previous_ ? previous_->next_ : s.first) = next_;
  (next_ ? next_->previous_ : s.last) = previous_;
  linked_ = false;
}

Timer::Timer(Loop& loop, std::move_only_function<void()> call) : loop_(loop), call_(std::move(call)) {}

Timer::~Timer() {
  cancel();
  if (gone_) *gone_ = true;
}

void Timer::arm(Clock::duration delay) {
  Loop::State& s = *loop_.state_;
  due_ = loop_.now() + delay;
  if (heap_index_ == kNotInHeap) {
    s.insert(*this);
  } else if (due_ < s.heap[heap_index_].due) {
    s.sift_up(heap_index_, {due_, this});
  }
}

void Timer::cancel() {
  if (heap_index_ != kNotInHeap) loop_.state_->take_out(heap_index_);
}

bool Timer::armed() const { return heap_index_ != kNotInHeap; }

// The call may destroy the timer, and with it the call.
void Timer::fire() {
  bool gone = false;
  gone_ = &gone;
  auto call = std::move(call_);
  call();
  if (gone) return;
  gone_ = nullptr;
  call_ = std::move(call);
}

namespace {

// Lives in the waiting coroutine's frame, so a cancelled wait forgets its timer.
struct Sleep {
  Loop& loop;
  Clock::duration delay;
  std::optional<Timer> timer{};

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    timer.emplace(loop, [handle] { handle.resume(); });
    timer->arm(delay);
  }
  void await_resume() const noexcept {}
};

}  // namespace

Task<void> sleep(Loop& loop, Clock::duration delay) {
  Sleep wait{loop, delay};
  co_await wait;
}

}  // namespace net
