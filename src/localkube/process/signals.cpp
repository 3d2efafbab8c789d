// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/signals.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/log.h"

namespace localkube {

SignalWatch::SignalWatch(net::Loop& loop, std::initializer_list<int> signals, std::function<void(int)> call)
    : loop_(loop), call_(std::move(call)) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (auto added = loop_.add(fd_.get(), EPOLLIN, *this); !added) base::log::error("signals: {}", added.error().message);
}

SignalWatch::~SignalWatch() { loop_.remove(fd_.get(), *this); }

void SignalWatch::on_io(uint32_t) {
  signalfd_siginfo seen;
  while (read(fd_.get(), &seen, sizeof seen) == sizeof seen) call_(static_cast<int>(seen.ssi_signo));
}

void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

void unblock_signals() {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace localkube
