// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/file_watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "base/log.h"

namespace proxy {

FileWatch::FileWatch(net::Loop& loop) : loop_(loop), fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ >= 0 && !loop_.add(fd_, EPOLLIN, *this))
    base::log::error("files are not watched: the loop takes no inotify descriptor");
}

FileWatch::~FileWatch() {
  if (fd_ < 0) return;
  loop_.remove(fd_, *this);
  close(fd_);
}

base::Result<void> FileWatch::watch(const std::string& directory, std::function<void()> changed) {
  const int number = inotify_add_watch(fd_, directory.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
  if (number < 0) return std::unexpected(base::system_error("cannot watch " + directory, errno));
  watchers_[number].push_back(std::move(changed));
  return {};
}

void FileWatch::on_io(uint32_t) {
  alignas(inotify_event) char bytes[16 * 1024];
  std::set<int> seen;
  for (ssize_t count; (count = read(fd_, bytes, sizeof bytes)) > 0;) {
    for (ssize_t at = 0; at < count;) {
      inotify_event event;
      std::memcpy(&event, bytes + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      if (event.mask & IN_Q_OVERFLOW)  // what was missed may be anything
        for (const auto& [number, calls] : watchers_) seen.insert(number);
      seen.insert(event.wd);
    }
  }
  for (int number : seen) {
    auto it = watchers_.find(number);
    if (it == watchers_.end()) continue;
    const auto calls = it->second;  // one of them may add to it
    for (const auto& call : calls) call();
  }
}

}  // namespace proxy
