// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/stubs/logging.h>

#include "base/log.h"

// For targets whose code speaks of what it refuses: it does not.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  base::start_log("fuzz", "off");
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}
