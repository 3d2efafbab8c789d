// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

namespace localkube {

// Bars this process, and all that it starts from now on, from the system calls
// that lead out of a container: new namespaces and entering others, mounts,
// kernel modules and images, keys of the kernel's, io_uring, tracing of the
// machine, its clock. They fail with EPERM; clone3, whose flags a filter cannot
// see, and the calls of other instruction sets with ENOSYS, upon which C
// libraries use clone. No container here may have CAP_SYS_ADMIN, so none is
// exempt. Needs no_new_privs.
base::Result<void> bar_system_calls();

}  // namespace localkube
