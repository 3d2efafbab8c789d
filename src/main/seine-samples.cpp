// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "samples/programs.h"

int main(int argc, char** argv) {
  struct Program {
    std::string_view name;
    int (*run)();
    const char* about;
  };
  constexpr Program kPrograms[] = {
      {"helloworld", samples::helloworld, "GET /hello and /health on port 5000; SERVICE_VERSION names its version"},
      {"nginx", samples::nginx, "a welcome page on port 80, or PORT"},
      {"idle", samples::idle, "waits until it is stopped: a pod to run commands in"},
  };
  std::string_view wanted = argc > 1 ? argv[1] : "";
  for (const Program& program : kPrograms) {
    if (program.name != wanted) continue;
    base::start_log(program.name);
    return program.run();
  }
  std::fprintf(stderr, "usage: seine-samples PROGRAM\n\n");
  for (const Program& program : kPrograms) std::fprintf(stderr, "  %-12s %s\n", program.name.data(), program.about);
  return 2;
}
