// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/error.h"
#include "localkube/process/fd.h"

namespace localkube {

// What lies at `sub_path` below the directory `volume`, which programs of a pod
// may change at the same time: it is gone down step by step on descriptors, and
// a step that is a symbolic link or ".." is an error, so that nothing outside
// is opened or made. Steps that are missing are made, as directories that
// everyone may write to; what was there keeps its mode. The descriptor is
// O_PATH. Sets the process's umask for a moment: for one thread only.
base::Result<Fd> make_sub_path(const Fd& volume, std::string_view sub_path);

// What lies at `sub_path`, links followed as if `volume` were the root.
base::Result<Fd> open_sub_path(const Fd& volume, std::string_view sub_path);

}  // namespace localkube
