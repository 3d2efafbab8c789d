// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/log.h"
#include "capture/rules.h"
#include "net/loop.h"
#include "proxy/runtime/options.h"
#include "proxy/runtime/signals.h"

static int fail(const base::Error& error) {
  fprintf(stderr, "seine-proxy: %s\n", error.message.c_str());
  return 1;
}

static int run_capture(const std::vector<std::string>& arguments) {
  auto rules = capture::parse_rules(arguments);
  if (!rules) return fail(rules.error());
  auto applied = capture::apply(*rules);
  if (!applied) return fail(applied.error());
  printf("traffic is captured: outbound to %u, inbound to %u\n", rules->outbound_port, rules->inbound_port);
  return 0;
}

static int run_proxy(const std::vector<std::string>& arguments) {
  auto options = proxy::Options::parse(arguments);
  if (!options) return fail(options.error());
  if (options->help || options->version) {
    fputs(options->help ? std::string(proxy::Options::help_text()).c_str() : "seine-proxy " SEINE_VERSION "\n", stdout);
    return 0;
  }
  base::start_log("proxy", options->process.log_level);
  auto bootstrap = options->config_yaml.empty() ? proxy::read_bootstrap(options->process.config_path, options->unknown)
                                                : proxy::parse_bootstrap(options->config_yaml, options->unknown);
  if (!bootstrap) return fail(bootstrap.error());
  if (options->mode == proxy::Options::Mode::Validate) {
    auto good = proxy::validate(*bootstrap);
    if (!good) return fail(good.error());
    printf("configuration '%s' OK\n", options->process.config_path.c_str());
    return 0;
  }
  net::Loop loop;
  proxy::Signals signals(loop);
  proxy::Process process(loop, options->process, std::move(*bootstrap));
  auto started = process.start();
  if (!started) return fail(started.error());
  signals.serve(process);
  loop.run();
  return 0;
}

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "capture") return run_capture({arguments.begin() + 1, arguments.end()});
  return run_proxy(arguments);
}
