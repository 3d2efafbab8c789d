// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "localkube/api/admission/admission.h"
#include "localkube/api/allocator.h"
#include "localkube/api/api.h"
#include "localkube/api/call.h"
#include "localkube/api/catalog.h"
#include "localkube/store/store.h"
#include "net/loop.h"

namespace localkube {

// metav1.DeleteOptions, read.
struct DeleteOrder {
  std::optional<int64_t> grace_seconds;
  std::string propagation;  // Background, Foreground, Orphan or empty
  std::string uid;          // preconditions
  std::string resource_version;
  static Answer<DeleteOrder> of(const Json& options);  // null and {} are fine
};

// What a DELETE came to: the object as it now is, or last was.
struct Deletion {
  objects::Object object;
  bool gone = false;  // false: it only got its deletionTimestamp
};

// One kind in one of its versions, as a URL names it.
struct Target {
  KindPointer row;
  std::string version;
  std::string ns;
  std::string name;
  std::string subresource;
  objects::Resource resource() const { return row->resource(version); }
};

// All that is done to objects: defaulting, admission, validation, allocation,
// optimistic concurrency and the life of finalizers, in front of the store.
// HTTP requests and controllers come through here alike. Lives on one loop.
class Registry final : public Api {
 public:
  Registry(net::Loop& loop, Store& store, Catalog& catalog, Allocator& allocator, Admission& admission);
  ~Registry();

  net::Task<Answer<objects::Object>> create_object(Target target, Json object, CallPointer call);
  net::Task<Answer<objects::Object>> update_object(Target target, Json object, CallPointer call);
  // `created` (may be null) is set where an apply made the object.
  net::Task<Answer<objects::Object>> patch_object(Target target, PatchType type, Json patch, CallPointer call,
                                                  std::shared_ptr<bool> created);
  net::Task<Answer<Deletion>> delete_object(Target target, DeleteOrder order, CallPointer call);

  Answer<objects::Object> read(const Target& target) const;
  // The document of a record as a version of its kind shows it.
  static Json shown(const KindRow& row, std::string_view version, const Json& stored);

  Store& store() { return store_; }
  const Store& store() const { return store_; }
  Catalog& catalog() { return catalog_; }
  static CallPointer in_process_call();

  // Api
  net::Task<Answer<objects::Object>> create(objects::Resource resource, objects::Object object) override;
  net::Task<Answer<objects::Object>> update(objects::Resource resource, objects::Object object) override;
  net::Task<Answer<objects::Object>> update_status(objects::Resource resource, objects::Object object) override;
  net::Task<Answer<objects::Object>> patch(objects::Resource resource, std::string ns, std::string name, PatchType type,
                                           objects::Json patch, std::string subresource) override;
  net::Task<Answer<objects::Object>> remove(objects::Resource resource, std::string ns, std::string name,
                                            std::optional<int> grace_seconds) override;
  std::optional<objects::Object> get(const objects::Resource& resource, std::string_view ns,
                                     std::string_view name) const override;
  std::shared_ptr<const Json> peek(const objects::Resource& resource, std::string_view ns,
                                   std::string_view name) const override;
  std::optional<objects::Resource> resource_of(std::string_view group, std::string_view kind) const override;
  std::vector<objects::Object> list(const objects::Resource& resource, std::string_view ns) const override;
  Handle watch(objects::Resource resource, std::function<void(const Change&)> call) override;

 private:
  // From the object as it is (in the target's version) to the one that is wanted.
  using Transform = std::function<Answer<Json>(const Json& current)>;
  net::Task<Answer<objects::Object>> modify(Target target, Transform transform, CallPointer call);
  net::Task<Answer<Json>> mutated(Review review, CallPointer call);  // by admission, and in order again
  void begin_life(Target& target, Json& object) const;
  Answer<Json> merged_update(const Target& target, const Json& current, Json wanted) const;
  Answer<Target> target_of(const objects::Resource& resource, std::string_view ns, std::string_view name) const;
  Key key_of(const Target& target) const { return {target.row->stored_in(), target.ns, target.name}; }
  void on_crd(const Event& event);

  net::Loop& loop_;
  Store& store_;
  Catalog& catalog_;
  Allocator& allocator_;
  Admission& admission_;
  Store::Handle crds_;
};

// Checks a document against its kind and fills in defaults: fields that nobody
// knows are dropped and reported as call.validation says, wrong types refused.
Answer<void> conform(const KindRow& row, const std::string& version, Json& object, Call& call);

// The document after a patch. Strategic merge asks the kind's schema.
Answer<Json> patched(const KindRow& row, const std::string& version, PatchType type, const Json& current,
                     const Json& patch);

}  // namespace localkube
