// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "samples/programs.h"
#include "samples/tools/tools.h"

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
  struct Tool {
    std::string_view name;
    int (*run)(const std::vector<std::string>& words);
  };
  constexpr Tool kTools[] = {{"nslookup", samples::nslookup}, {"nc", samples::nc}, {"ping", samples::ping}};
  // Links of those names are laid into containers where the machine lacks the tool.
  std::string_view self = argc > 0 ? argv[0] : "";
  self.remove_prefix(self.rfind('/') + 1);
  for (const Tool& tool : kTools)
    if (tool.name == self) return tool.run(std::vector<std::string>(argv + 1, argv + argc));
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
