// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace proxy {

// Which endpoints a request may go to: those whose metadata (envoy.lb) has these values. Immutable once made.
class SubsetCriteria {
 public:
  SubsetCriteria() = default;
  // `values`: a JSON object; what it says goes before what `base` says.
  SubsetCriteria(const base::Json& values, const SubsetCriteria* base);

  bool empty() const { return wanted_.empty(); }
  // By key, in order; values in the canonical words of subset_value.
  const std::vector<std::pair<std::string, std::string>>& wanted() const { return wanted_; }
  const std::string& name() const { return name_; }  // equal criteria have equal names
  bool has_keys(const std::vector<std::string>& sorted) const;
  SubsetCriteria only(const std::vector<std::string>& sorted_keys) const;

 private:
  void name_it();
  std::vector<std::pair<std::string, std::string>> wanted_;
  std::string name_;
};

// Numbers equal whether they are written as 1 or as 1.0; no text equals a number.
std::string subset_value(const base::Json& value);

// One key of an endpoint's metadata.
struct SubsetLabel {
  std::string key, value;
  std::vector<std::string> each;  // of a list

  bool operator==(const SubsetLabel&) const = default;
};
std::vector<SubsetLabel> subset_labels(const base::Json& values);  // by key, in order
// Whether they say all that is wanted; AsAny: also where the value stands in a list.
enum class Lists : uint8_t { AsAny, AsOne };
bool carries(const std::vector<SubsetLabel>& labels, const SubsetCriteria& criteria, Lists lists);

// How a cluster is divided (envoy.config.cluster.v3.Cluster.LbSubsetConfig), compiled.
struct SubsetPolicy {
  enum class Fallback : uint8_t { None, Any, Default, Keys, Undefined };
  struct Selector {
    std::vector<std::string> keys;  // in order
    Fallback fallback = Fallback::Undefined;
    std::vector<std::string> fallback_keys;  // in order, some of `keys`
    bool single_host = false;
  };

  std::vector<Selector> selectors;
  Fallback fallback = Fallback::None;
  SubsetCriteria default_subset;
  bool panic_any = false;    // where the fallback has nobody, anybody
  bool list_as_any = false;  // a list is each of its values

  // The names of the subsets that the endpoint is in, by this selector.
  std::vector<std::string> names_of(const Selector& selector, const std::vector<SubsetLabel>& labels) const;
  bool in_default(const std::vector<SubsetLabel>& labels) const;
};

}  // namespace proxy
