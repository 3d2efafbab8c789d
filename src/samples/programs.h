// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace samples {

// The tutorials' applications. Each returns the exit code of its process.
int helloworld();  // GET /hello, /health on 5000; SERVICE_VERSION
int nginx();       // a welcome page on 80 (PORT)
int idle();        // does nothing until it is told to stop; a pod to run commands in

}  // namespace samples
