// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/api.h"

namespace localkube {

// RFC 6902 and RFC 7386, with the API's refusals: 400 for what is no patch, 422
// for one that does not apply.
Answer<base::Json> json_patched(const base::Json& document, const base::Json& patch);
Answer<base::Json> merge_patched(const base::Json& document, const base::Json& patch);

}  // namespace localkube
