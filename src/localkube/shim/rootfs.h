// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "localkube/shim/spec.h"

namespace localkube {

// Puts a container's file system together and makes it this process's root; to
// be called in fresh mount and pid namespaces.
//
// The host's /usr, /bin, /lib* and /opt appear read-only; /etc has only what
// programs need and nothing of the host's accounts; /tmp, /var and the rest are
// empty and its own; /proc shows the container's processes and cannot change
// the kernel; /dev has what programs expect and no device of the machine.
base::Result<void> enter_root(const ContainerSpec& spec);

}  // namespace localkube
