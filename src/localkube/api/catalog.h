// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "localkube/api/refusal.h"
#include "objects/object.h"

namespace localkube {

// A column of a Table (metav1.TableColumnDefinition).
struct Column {
  std::string name;
  std::string type = "string";
  std::string format = {};
  int priority = 0;
  std::string description = {};
  std::string json_path = {};  // of custom kinds: where the cell's value lies
};

// What one kind does beyond what all kinds share; absent functions do nothing.
// Rules work on documents in the version they are stored in.
struct KindRules {
  void (*defaults)(Json& object) = nullptr;  // those that depend on other fields
  void (*prepare_create)(Json& object) = nullptr;
  void (*prepare_update)(Json& object, const Json& old) = nullptr;  // puts back what an update cannot change
  void (*prepare_status)(Json& object, const Json& old) = nullptr;
  void (*validate)(const Json& object, Problems& problems) = nullptr;
  void (*validate_create)(const Json& object, Problems& problems) = nullptr;
  void (*validate_update)(const Json& object, const Json& old, Problems& problems) = nullptr;
  // The cells beside the name, in the order of the columns.
  std::vector<Json> (*cells)(const Json& object) = nullptr;
  // Fields for field selectors beyond metadata.name and metadata.namespace.
  std::vector<std::string> selectable = {};
};

enum class NameRule { Subdomain, Label, ServiceLabel, PathSegment };

struct CustomKind;

// One kind that is served, from one table of the store.
struct KindRow {
  std::string group;
  std::vector<std::string> versions;  // the preferred one first
  std::string kind;
  std::string plural;
  std::string singular;
  bool namespaced = true;
  std::vector<std::string> short_names = {};
  std::vector<std::string> categories = {};
  bool has_status = false;
  bool has_scale = false;
  bool counts_generations = false;
  bool returns_deleted = false;  // DELETE answers with the object, not a Status
  bool idle = false;             // stored and shown, while nothing in this cluster acts on it: writers are warned
  NameRule name_rule = NameRule::Subdomain;
  std::vector<Column> columns = {};
  KindRules rules = {};
  // Another group that shows the same table (events): its rows are rewritten.
  std::string table = {};
  void (*to_stored)(Json& object) = nullptr;
  void (*from_stored)(Json& object) = nullptr;
  std::string list = {};                          // the list's kind where it is not KIND + "List"
  std::shared_ptr<const CustomKind> custom = {};  // set where a CustomResourceDefinition made it

  std::string stored_in() const;  // the store's table
  objects::Resource resource(std::string_view version = {}) const;
  objects::Kind object_kind(std::string_view version = {}) const;
  std::string list_kind() const { return list.empty() ? kind + "List" : list; }
  bool serves(std::string_view version) const;
};
using KindPointer = std::shared_ptr<const KindRow>;

// All kinds that are served: the built-in ones and those of the CRDs that are
// stored. The owner calls set_custom() when a CRD came, changed or went.
class Catalog {
 public:
  Catalog();  // the built-in kinds

  KindPointer find(std::string_view group, std::string_view version, std::string_view plural) const;
  KindPointer find_kind(std::string_view group, std::string_view version, std::string_view kind) const;
  KindPointer find_resource(const objects::Resource& resource) const;
  // In the order of discovery: built-in ones first.
  std::vector<KindPointer> all() const;

  void set_custom(const std::string& crd_name, KindPointer row);  // null: gone
  int64_t generation() const { return generation_; }              // rises with each change

 private:
  std::vector<KindPointer> builtin_;
  std::map<std::string, KindPointer> custom_;
  int64_t generation_ = 1;
};

}  // namespace localkube
