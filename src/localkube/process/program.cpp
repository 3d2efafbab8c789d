// SPDX-License-Identifier: Apache-2.0
#include "localkube/process/program.h"

#include <cstdio>
#include <map>

#include "base/log.h"
#include "localkube/process/hold.h"
#include "localkube/process/serve.h"
#include "localkube/shim/shim.h"

namespace localkube {
namespace {

constexpr const char* kUsage =
    "usage: seine-localkube hold --state DIR [--listen ADDRESS]   run the one-machine cluster until SIGTERM\n"
    "       seine-localkube sweep --state DIR                     end it, also where it does not answer\n"
    "Parts that hold starts by itself: keep, serve, shim.\n";

// "--name value" pairs after the verb; empty where something else is there.
std::map<std::string, std::string> flags_of(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 2; i < argc; i += 2) {
    std::string name = argv[i];
    if (!name.starts_with("--") || i + 1 >= argc) return {};
    flags[name.substr(2)] = argv[i + 1];
  }
  return flags;
}

int sweep_state(const HoldOptions& options) {
  auto swept = sweep(options.state);
  if (!swept) base::log::error("{}", swept.error().message);
  return swept ? 0 : 1;
}

}  // namespace

int run_program(int argc, char** argv) {
  std::string verb = argc > 1 ? argv[1] : "";
  base::start_log(verb);
  if (verb == "shim") return shim();
  auto flags = flags_of(argc, argv);
  HoldOptions options{.state = flags["state"], .listen = flags["listen"]};
  if (!options.state.empty()) {
    options.state = std::filesystem::absolute(options.state);
    if (verb == "hold") return hold(options);
    if (verb == "keep") return keep(options);
    if (verb == "serve") return serve(options, flags["epoch"]);
    if (verb == "sweep") return sweep_state(options);
  }
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace localkube
