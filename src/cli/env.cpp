// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "cli/commands.h"
#include "cli/state.h"

namespace cli {

static void print_environment(const std::string& state_flag) {
  State where = must(state(state_flag));
  std::string why;
  for (const auto& file : {where.kubeconfig(), where.hold_record()})
    if (why.empty() && !std::filesystem::exists(file)) why = file.string() + " is not there";
  if (why.empty() && !where.running()) why = "what " + where.dir.string() + " tells of has ended";
  if (!why.empty())
    give_up({.kind = base::ErrorKind::NotFound, .message = "no cluster runs here (" + why + "): seine up"});
  std::printf("export KUBECONFIG=%s\n", shell_quoted(where.kubeconfig().string()).c_str());
  std::printf("export PATH=%s:\"$PATH\"\n", shell_quoted(program("").parent_path().string()).c_str());
}

void add_env(CLI::App& app) {
  auto* command =
      app.add_subcommand("env", "Print what points a shell's kubectl and istioctl at the one-machine cluster");
  command->footer("Example:\n  eval \"$(seine env)\"");
  auto flag = std::make_shared<std::string>();
  command->add_option("--state", *flag, "state directory");
  command->callback([flag] { print_environment(*flag); });
}

}  // namespace cli
