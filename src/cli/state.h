// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"

namespace cli {

// Where the one-machine cluster keeps everything: --state, else
// ${XDG_STATE_HOME:-~/.local/state}/seine.
struct State {
  std::filesystem::path dir;

  std::filesystem::path kubeconfig() const { return dir / "kubeconfig"; }
  std::filesystem::path hold_record() const { return dir / "hold.json"; }  // there while the cluster runs
  std::filesystem::path logs() const { return dir / "logs"; }
  bool running() const;  // whether a cluster's processes hold the directory, whatever its files say
};
base::Result<State> state(const std::string& from_flag);

// Seine's programs lie in one directory.
std::filesystem::path program(std::string_view name);

// The text for a POSIX shell, quoted where it must be.
std::string shell_quoted(std::string_view text);

}  // namespace cli
