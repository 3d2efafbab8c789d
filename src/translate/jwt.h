// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mesh/view.h"
#include "translate/listener.h"

namespace translate {

// envoy.filters.http.jwt_authn for the RequestAuthentications of this workload,
// if there are any. A request without a token passes, one with a bad token does
// not; whether a token is needed is AuthorizationPolicy's.
void add_jwt(hcm_v3::HttpConnectionManager& manager, const mesh::View& view);

}  // namespace translate
