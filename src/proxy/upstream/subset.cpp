// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/subset.h"

#include <algorithm>

namespace proxy {
namespace {

base::Json same_numbers(const base::Json& value) {
  if (value.is_number()) return value.get<double>();
  base::Json out = value;
  if (value.is_structured())
    for (auto& part : out) part = same_numbers(part);
  return out;
}

void add_to_name(std::string& name, std::string_view key, std::string_view value) {
  for (std::string_view part : {key, value}) {
    name += part;
    name += '\0';
  }
}

const SubsetLabel* label_of(const std::vector<SubsetLabel>& labels, std::string_view key) {
  auto it = std::ranges::find(labels, key, &SubsetLabel::key);
  return it == labels.end() ? nullptr : &*it;
}

}  // namespace

std::string subset_value(const base::Json& value) {
  return same_numbers(value).dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

std::vector<SubsetLabel> subset_labels(const base::Json& values) {
  std::vector<SubsetLabel> out;
  for (const auto& [key, value] : values.items()) {
    SubsetLabel label{key, subset_value(value), {}};
    if (value.is_array())
      for (const base::Json& one : value) label.each.push_back(subset_value(one));
    out.push_back(std::move(label));
  }
  std::ranges::sort(out, {}, &SubsetLabel::key);
  return out;
}

SubsetCriteria::SubsetCriteria(const base::Json& values, const SubsetCriteria* base) {
  if (base) wanted_ = base->wanted_;
  for (const auto& [key, value] : values.items()) {
    auto it = std::ranges::find(wanted_, key, &std::pair<std::string, std::string>::first);
    if (it != wanted_.end())
      it->second = subset_value(value);
    else
      wanted_.emplace_back(key, subset_value(value));
  }
  std::ranges::sort(wanted_);
  name_it();
}

void SubsetCriteria::name_it() {
  name_.clear();
  for (const auto& [key, value] : wanted_) add_to_name(name_, key, value);
}

bool SubsetCriteria::has_keys(const std::vector<std::string>& sorted) const {
  return std::ranges::equal(wanted_, sorted, {}, &std::pair<std::string, std::string>::first);
}

SubsetCriteria SubsetCriteria::only(const std::vector<std::string>& sorted_keys) const {
  SubsetCriteria out;
  for (const auto& entry : wanted_)
    if (std::ranges::binary_search(sorted_keys, entry.first)) out.wanted_.push_back(entry);
  out.name_it();
  return out;
}

std::vector<std::string> SubsetPolicy::names_of(const Selector& selector,
                                                const std::vector<SubsetLabel>& labels) const {
  std::vector<std::string> out{""};
  for (const std::string& key : selector.keys) {
    const SubsetLabel* label = label_of(labels, key);
    if (!label) return {};
    std::vector<std::string> longer;
    for (const std::string& name : out) {
      auto add = [&](const std::string& value) { add_to_name(longer.emplace_back(name), key, value); };
      if (list_as_any && !label->each.empty())
        std::ranges::for_each(label->each, add);
      else
        add(label->value);
    }
    out = std::move(longer);
  }
  return out;
}

bool carries(const std::vector<SubsetLabel>& labels, const SubsetCriteria& criteria, Lists lists) {
  return std::ranges::all_of(criteria.wanted(), [&](const auto& wanted) {
    const SubsetLabel* label = label_of(labels, wanted.first);
    if (!label) return false;
    return label->value == wanted.second ||
           (lists == Lists::AsAny && std::ranges::find(label->each, wanted.second) != label->each.end());
  });
}

bool SubsetPolicy::in_default(const std::vector<SubsetLabel>& labels) const {
  return carries(labels, default_subset, list_as_any ? Lists::AsAny : Lists::AsOne);
}

}  // namespace proxy
