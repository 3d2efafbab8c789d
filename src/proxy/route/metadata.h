// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "proxy/route/match.h"

namespace proxy {

// What filters found out about a request, for filters after them, routes and
// access logs: a JSON object per namespace, which is the filter's name by
// custom. Allocates nothing while it is empty.
class Metadata {
 public:
  bool empty() const { return spaces_.empty(); }
  void clear() { spaces_.clear(); }
  // The object of that namespace, made where there was none.
  base::Json& space(std::string_view name);
  // Adds the object's keys; objects that both have are merged, other values replaced (as Envoy).
  void merge(std::string_view name, const base::Json& object);
  // The value at the path of keys; the namespace itself for none. nullptr: not there.
  const base::Json* find(std::string_view name, std::span<const std::string> path) const;

 private:
  std::vector<std::pair<std::string, base::Json>> spaces_;
};

// One condition on a value (envoy.type.matcher.v3.ValueMatcher), compiled.
struct ValueMatch {
  enum class Kind : uint8_t { Null, Number, Text, Bool, Present, List, Any };
  Kind kind = Kind::Present;
  bool flag = true;             // Bool: what is expected; Present: false never matches
  double least = 0, below = 0;  // Number: [least, below), or exactly least where they are equal
  StringMatch text;
  std::vector<ValueMatch> parts;  // List: one, for some element; Any: one of them

  bool matches(const base::Json* value) const;  // nullptr: there is none
};

// One condition on metadata (envoy.type.matcher.v3.MetadataMatcher), compiled.
struct MetadataMatch {
  std::string space;
  std::vector<std::string> path;
  ValueMatch value;
  bool invert = false;

  bool matches(const Metadata& metadata) const { return value.matches(metadata.find(space, path)) != invert; }
};

}  // namespace proxy
