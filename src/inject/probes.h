// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inject/inject.h"

namespace inject {

// Turns the application's HTTP, TCP and gRPC probes (and HTTP lifecycle hooks)
// into HTTP requests to the sidecar's port, which asks the application on the
// pod's inside: the kubelet has no certificate, so in STRICT mode it could not
// ask itself. Returns the originals by their new path, for
// ISTIO_KUBE_APP_PROBERS; named ports are resolved. Commands (exec) stay.
Json rewrite_probes(Json& pod_spec, int status_port);

}  // namespace inject
