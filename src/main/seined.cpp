// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "control/control_plane.h"

namespace {

net::Loop* running = nullptr;  // for the signal handler alone

net::Task<void> start(control::ControlPlane& plane, net::Loop& loop, int& status) {
  auto started = co_await plane.start();
  if (started) co_return;
  base::log::critical("{}", base::printable(started.error().message));
  status = 1;
  loop.stop();
}

}  // namespace

int main(int argc, char** argv) {
  auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  auto options = control::parse_options({argv + 1, static_cast<size_t>(argc > 0 ? argc - 1 : 0)}, environment);
  if (!options) {
    std::fprintf(stderr, "seined: %s\n", options.error().message.c_str());
    return 2;
  }
  if (options->help) {
    std::fputs(std::string(control::usage()).c_str(), stdout);
    return 0;
  }
  base::start_log("istiod", options->log_level);
  std::signal(SIGPIPE, SIG_IGN);
  net::Loop loop;
  running = &loop;
  for (int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { running->stop(); });
  int status = 0;
  control::ControlPlane plane(loop, std::move(*options));
  loop.post([&] { net::spawn(start(plane, loop, status)); });
  loop.run();
  return status;
}
