// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "localkube/api/api.h"
#include "localkube/api/catalog.h"

namespace localkube {

// Which objects a list, a watch or a webhook means, by labels: as text in URLs
// ("app=web,tier in (a,b),!x") or as metav1.LabelSelector.
class LabelSelector {
 public:
  static Answer<LabelSelector> parse(std::string_view text);
  static LabelSelector of(const Json& label_selector);  // an absent one, and {}, selects everything

  bool empty() const { return rules_.empty(); }
  bool matches(const Json& object) const;  // by the object's metadata.labels

 private:
  enum class Op { In, NotIn, Exists, Absent, Greater, Less };
  struct Rule {
    std::string key;
    Op op;
    std::vector<std::string> values;
  };
  std::vector<Rule> rules_;
};

// "metadata.name=x,status.phase!=Running". Only fields that the kind offers.
class FieldSelector {
 public:
  static Answer<FieldSelector> parse(std::string_view text, const KindRow& row);
  bool empty() const { return rules_.empty(); }
  bool matches(const Json& object) const;
  // The name that metadata.name=... asks for, or empty.
  std::string name() const;

 private:
  struct Rule {
    std::string field;
    bool equal;
    std::string value;
  };
  std::vector<Rule> rules_;
};

}  // namespace localkube
