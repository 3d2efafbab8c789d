// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace identity {

// A workload's name as Istio writes it: spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT.
struct SpiffeId {
  std::string trust_domain;
  std::string ns;
  std::string service_account;

  // Refuses anything but that form: other schemes, empty or extra parts,
  // characters outside the SPIFFE standard's, query and fragment.
  static base::Result<SpiffeId> parse(std::string_view uri);
  std::string uri() const;
  auto operator<=>(const SpiffeId&) const = default;
};

}  // namespace identity
