// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/error.h"

namespace cli {

// The flags that every command takes, as istioctl's root flags.
struct RootFlags {
  std::string kubeconfig;
  std::string context;
  std::string ns;
  std::string istio_ns = "istio-system";
};

// Each adds one command to the program; its callback reports by exit code.
void add_up(CLI::App& app, const RootFlags& flags);
void add_down(CLI::App& app);
void add_env(CLI::App& app);
void add_install(CLI::App& app, const RootFlags& flags);
void add_uninstall(CLI::App& app, const RootFlags& flags);
void add_manifest(CLI::App& app);
void add_version(CLI::App& app, const RootFlags& flags);
void add_proxy_status(CLI::App& app, const RootFlags& flags);
void add_kube_inject(CLI::App& app, const RootFlags& flags);
void add_service(CLI::App& app, const RootFlags& flags);
void add_analyze(CLI::App& app, const RootFlags& flags);

// Ends the command: "Error: message" on standard error, exit code 1.
[[noreturn]] void give_up(const base::Error& error);

// The value, or give_up.
template <typename T>
T must(base::Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

int run(int argc, char** argv);

}  // namespace cli
