// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include <cerrno>

// For targets whose input is a configuration, which may name files to log to: linked with --wrap=open, so that an input
// makes and writes none.
extern "C" int __wrap_open(const char*, int, ...) {
  errno = EACCES;
  return -1;
}
