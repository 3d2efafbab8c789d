// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/admission/admission.h"

#include "localkube/api/admission/builtin.h"
#include "localkube/api/admission/webhooks.h"

namespace localkube {

namespace {

// How long a new pod waits for the service account of a namespace that was just made.
constexpr int kAccountAttempts = 30;
constexpr std::chrono::milliseconds kAccountPause{50};

bool is_new_pod(const Review& review) {
  return review.operation == "CREATE" && review.row->stored_in() == "pods" && review.subresource.empty();
}

}  // namespace

Admission::Admission(net::Loop& loop, Store& store)
    : loop_(loop), store_(store), webhooks_(std::make_unique<Webhooks>(loop, store)) {}
Admission::~Admission() = default;

net::Task<Answer<Json>> Admission::mutate(Review review, CallPointer call) {
  CO_TRY(check_namespace(store_, review));
  if (is_new_pod(review)) {
    for (int attempt = 1;; ++attempt) {
      bool missing = false;
      Json pod = review.object;
      Answer<void> done = complete_pod(store_, review.ns, pod, missing);
      if (done) {
        review.object = std::move(pod);
        break;
      }
      if (!missing || attempt == kAccountAttempts) co_return std::unexpected(std::move(done.error()));
      co_await net::sleep(loop_, kAccountPause);
    }
  }
  auto changed = co_await webhooks_->mutate(review, call);
  if (!changed) co_return std::unexpected(std::move(changed.error()));
  if (is_new_pod(review) && *changed != review.object) {
    bool missing = false;
    CO_TRY(complete_pod(store_, review.ns, *changed, missing));
  }
  co_return std::move(*changed);
}

net::Task<Answer<void>> Admission::validate(Review review, CallPointer call) {
  return webhooks_->validate(std::move(review), std::move(call));
}

}  // namespace localkube
