// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "localkube/api/api.h"
#include "objects/object.h"

namespace localkube {

using base::Json;

// The text between quotation marks, escaped: "a\"b".
std::string in_quotes(std::string_view text);

// What is wrong with the fields of an object, as metav1.StatusCause says it;
// gathered by the rules of a kind, in the API's own words.
class Problems {
 public:
  struct Cause {
    std::string reason;  // "FieldValueRequired"
    std::string message;
    std::string field;  // "spec.ports[0].port"
  };

  void required(std::string field, std::string detail = {});
  // `value` as the API prints it: text() for JSON values.
  void invalid(std::string field, std::string value, std::string_view detail);
  void not_supported(std::string field, std::string value, const std::vector<std::string>& supported);
  void duplicate(std::string field, std::string value);
  void forbidden(std::string field, std::string_view detail);
  void not_found(std::string field, std::string value);
  void too_long(std::string field, std::string_view detail);
  void too_many(std::string field, size_t count, size_t most);
  void type_invalid(std::string field, std::string value, std::string_view detail);

  bool empty() const { return causes_.empty(); }
  const std::vector<Cause>& causes() const { return causes_; }

  static std::string text(const Json& value);  // strings quoted, lists as Go prints them

 private:
  std::vector<Cause> causes_;
};

Refusal not_found(const objects::Resource& resource, std::string_view name);
Refusal already_exists(const objects::Resource& resource, std::string_view name);
Refusal conflict(const objects::Resource& resource, std::string_view name, std::string_view why);
Refusal modified(const objects::Resource& resource, std::string_view name);  // the usual conflict
Refusal invalid(const objects::Kind& kind, std::string_view name, const Problems& problems);
Refusal forbidden(const objects::Resource& resource, std::string_view name, std::string_view why);
Refusal bad_request(std::string message);
Refusal internal(std::string message);
Refusal unavailable(std::string message);
Refusal gone(std::string message);
Refusal cannot_store(std::string message);
Refusal method_not_allowed();
Refusal no_such_resource();
Refusal unsupported_media_type(std::string_view accepted);

// The metav1.Status of a refusal.
Json status_of(const Refusal& refusal);

}  // namespace localkube
