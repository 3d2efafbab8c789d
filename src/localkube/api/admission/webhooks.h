// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/admission/admission.h"

namespace localkube {

// One webhook of a stored configuration that a review matches.
struct MatchedHook {
  std::string configuration;
  Json hook;
};

// Calls the webhooks of Mutating- and ValidatingWebhookConfigurations over HTTPS
// with AdmissionReview v1. A service is dialled at its clusterIP, or, where it
// has none, at a ready endpoint. matchConditions are refused when stored.
class Webhooks {
 public:
  Webhooks(net::Loop& loop, Store& store) : loop_(loop), store_(store) {}

  // In order of configuration name; each sees what those before it changed.
  // Those with reinvocationPolicy IfNeeded run once more if a later one changed the object.
  net::Task<Answer<Json>> mutate(Review review, CallPointer call);
  net::Task<Answer<void>> validate(Review review, CallPointer call);

 private:
  struct Place;
  std::vector<MatchedHook> matching(std::string_view table, const Review& review) const;
  base::Result<void> find_place(const Json& hook, Place& place) const;
  net::Task<base::Result<Json>> ask(Place place, Json hook, Json review);
  net::Task<Answer<Json>> call_hook(MatchedHook hook, Review review, CallPointer call);
  base::Result<std::pair<std::string, uint16_t>> address_of(const Json& service) const;

  net::Loop& loop_;
  Store& store_;
};

}  // namespace localkube
