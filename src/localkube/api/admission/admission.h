// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "localkube/api/api.h"
#include "localkube/api/call.h"
#include "localkube/api/catalog.h"
#include "localkube/store/store.h"
#include "net/loop.h"

namespace localkube {

// What admission is asked about: an object on its way to the store, or out of
// it. Documents are in `version`.
struct Review {
  KindPointer row;
  std::string version;
  std::string operation;  // CREATE, UPDATE, DELETE, CONNECT
  std::string ns;
  std::string name;
  std::string subresource;
  Json object;      // null for DELETE
  Json old_object;  // null for CREATE
  Json options;     // CreateOptions and so on
};

class Webhooks;

// Decides whether a write may happen and what is added to it: first the rules
// that every server has (namespaces, service accounts, tolerations, priority),
// then the webhooks that the stored configurations name.
class Admission {
 public:
  Admission(net::Loop& loop, Store& store);
  ~Admission();

  // The object as it is after all that may change it.
  net::Task<Answer<Json>> mutate(Review review, CallPointer call);
  // Those that only say yes or no; `review.object` is final.
  net::Task<Answer<void>> validate(Review review, CallPointer call);

 private:
  net::Loop& loop_;
  Store& store_;
  std::unique_ptr<Webhooks> webhooks_;
};

}  // namespace localkube
