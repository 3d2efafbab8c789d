// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/signals.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "proxy/runtime/process.h"

namespace proxy {

Signals::Signals(net::Loop& loop) : loop_(loop) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  for (int signal : {SIGPIPE, SIGHUP}) std::signal(signal, SIG_IGN);
  fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

Signals::~Signals() {
  if (process_) loop_.remove(fd_, *this);
  close(fd_);
}

void Signals::serve(Process& process) {
  process_ = &process;
  process.on_quit = [this] {
    if (!std::exchange(ending_, true)) net::spawn(end(loop_, *process_));
  };
  if (auto added = loop_.add(fd_, EPOLLIN, *this); !added) base::log::error("signals: {}", added.error().message);
}

void Signals::on_io(uint32_t) {
  signalfd_siginfo info{};
  while (read(fd_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGUSR1) {
      process_->configuration().logs().reopen_all();
    } else if (ending_) {
      loop_.stop();
    } else {
      process_->on_quit();
    }
  }
}

net::Task<void> Signals::end(net::Loop& loop, Process& process) {
  base::log::info("ending; requests may take {} ms more", process.options().exit_drain.count());
  co_await process.drain(process.options().exit_drain);
  loop.stop();
}

}  // namespace proxy
