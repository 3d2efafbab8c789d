// SPDX-License-Identifier: Apache-2.0
#include "cli/cluster.h"

namespace cli {

base::Error with_remedy(base::Error error, const std::string& host) {
  bool here = host == "127.0.0.1" || host == "localhost" || host == "::1";
  if (here && error.kind == base::ErrorKind::Unavailable && error.message.ends_with("Connection refused"))
    error.message += ": no cluster runs there; `seine up` starts this machine's";
  return error;
}

}  // namespace cli
