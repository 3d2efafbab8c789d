// SPDX-License-Identifier: Apache-2.0
#include "samples/serve.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/log.h"

namespace samples {

static net::Loop* running = nullptr;  // for the signal handler alone

static void stop_running(int) { running->stop(); }

int serve(uint16_t port, http::Handler handler) {
  net::Loop loop;
  http::Server server(loop, std::move(handler));
  auto address = net::Address::parse(environment("ADDRESS", "0.0.0.0"), port);
  auto listening = address ? server.listen(*address) : std::unexpected(address.error());
  if (!listening) {
    base::log::error("port {}: {}", port, listening.error().message);
    return 1;
  }
  base::log::info("listening on {}", listening->text());
  running = &loop;
  signal(SIGTERM, stop_running);
  signal(SIGINT, stop_running);
  loop.run();
  net::run_to_end(loop, server.drain(std::chrono::seconds(2)));
  return 0;
}

std::string environment(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? std::string(value) : std::move(otherwise);
}

std::string instance() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return environment("HOSTNAME", name);
}

}  // namespace samples
