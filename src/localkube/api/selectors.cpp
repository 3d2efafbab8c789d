// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/selectors.h"

#include <algorithm>

#include "base/strings.h"
#include "localkube/api/kinds/document.h"
#include "localkube/api/metadata.h"

namespace localkube {

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '/';
}

// The words and marks of a label selector.
std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == '\t') {
      ++i;
      continue;
    }
    size_t end = i + 1;
    if (is_word(text[i])) {
      while (end < text.size() && is_word(text[end])) ++end;
    } else if ((text[i] == '=' || text[i] == '!') && end < text.size() && text[end] == '=') {
      ++end;
    }
    tokens.emplace_back(text.substr(i, end - i));
    i = end;
  }
  return tokens;
}

bool is_identifier(const std::string& token) { return !token.empty() && is_word(token[0]); }

Refusal expected(const std::string& found, std::string_view wanted) {
  return bad_request("unable to parse requirement: found '" + found + "', expected: " + std::string(wanted));
}

}  // namespace

Answer<LabelSelector> LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  std::vector<std::string> tokens = tokens_of(text);
  size_t i = 0;
  auto next = [&] { return i < tokens.size() ? tokens[i] : std::string(); };
  while (i < tokens.size()) {
    Rule rule{{}, Op::Exists, {}};
    if (next() == "!") {
      ++i;
      rule.op = Op::Absent;
    }
    if (!is_identifier(next())) return std::unexpected(expected(next(), "identifier"));
    rule.key = tokens[i++];
    if (std::string fault = label_key_fault(rule.key); !fault.empty())
      return std::unexpected(
          bad_request("unable to parse requirement: <nil>: Invalid value: " + in_quotes(rule.key) + ": " + fault));
    std::string op = next();
    if (rule.op != Op::Absent && !op.empty() && op != ",") {
      ++i;
      if (op == "=" || op == "==" || op == "!=") {
        rule.op = op == "!=" ? Op::NotIn : Op::In;
        if (is_identifier(next()))
          rule.values.push_back(tokens[i++]);
        else if (next().empty() || next() == ",")
          rule.values.emplace_back();
        else
          return std::unexpected(expected(next(), "identifier"));
      } else if (op == "in" || op == "notin") {
        rule.op = op == "in" ? Op::In : Op::NotIn;
        if (next() != "(") return std::unexpected(expected(next(), "'('"));
        ++i;
        while (next() != ")") {
          if (next() == ",") {
            ++i;
            continue;
          }
          if (!is_identifier(next())) return std::unexpected(expected(next(), "',', or ')'"));
          rule.values.push_back(tokens[i++]);
        }
        ++i;
      } else if (op == ">" || op == "<") {
        rule.op = op == ">" ? Op::Greater : Op::Less;
        if (!base::parse_number<int64_t>(next())) return std::unexpected(expected(next(), "identifier"));
        rule.values.push_back(tokens[i++]);
      } else {
        return std::unexpected(expected(op, "in, notin, =, ==, !=, gt, lt"));
      }
    }
    selector.rules_.push_back(std::move(rule));
    if (i < tokens.size() && tokens[i++] != ",")
      return std::unexpected(expected(tokens[i - 1], "',' or 'end of string'"));
  }
  return selector;
}

LabelSelector LabelSelector::of(const Json& label_selector) {
  LabelSelector selector;
  if (const Json* labels = base::find(label_selector, "matchLabels"); labels && labels->is_object())
    for (const auto& [key, value] : labels->items())
      selector.rules_.push_back({key, Op::In, {value.is_string() ? value.get<std::string>() : value.dump()}});
  for (const Json& rule : items(label_selector, "matchExpressions")) {
    std::string op = string_at(rule, "operator");
    Rule made{string_at(rule, "key"),
              op == "In"       ? Op::In
              : op == "NotIn"  ? Op::NotIn
              : op == "Exists" ? Op::Exists
                               : Op::Absent,
              {}};
    for (const Json& value : items(rule, "values"))
      if (value.is_string()) made.values.push_back(value.get<std::string>());
    selector.rules_.push_back(std::move(made));
  }
  return selector;
}

bool LabelSelector::matches(const Json& object) const {
  if (rules_.empty()) return true;
  const Json* labels = base::find(object, "metadata", "labels");
  return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    const Json* label = labels ? base::find(*labels, rule.key) : nullptr;
    std::string value = label && label->is_string() ? label->get<std::string>() : "";
    bool listed = std::find(rule.values.begin(), rule.values.end(), value) != rule.values.end();
    auto compared = [&](auto fits) {
      auto left = base::parse_number<int64_t>(value);
      return left && fits(*left, base::parse_number<int64_t>(rule.values.at(0)).value_or(0));
    };
    switch (rule.op) {
      case Op::In:
        return label && listed;
      case Op::NotIn:
        return !label || !listed;
      case Op::Exists:
        return label != nullptr;
      case Op::Absent:
        return label == nullptr;
      case Op::Greater:
        return compared(std::greater<>());
      case Op::Less:
        return compared(std::less<>());
    }
    return false;
  });
}

Answer<FieldSelector> FieldSelector::parse(std::string_view text, const KindRow& row) {
  FieldSelector selector;
  for (std::string_view piece : base::split(text, ',')) {
    if (base::trim(piece).empty()) continue;
    size_t at = piece.find('=');
    if (at == piece.npos)
      return std::unexpected(
          bad_request("invalid selector: '" + std::string(text) + "'; can't understand '" + std::string(piece) + "'"));
    bool unequal = at > 0 && piece[at - 1] == '!';
    size_t value = piece.substr(at).starts_with("==") ? at + 2 : at + 1;
    Rule rule{std::string(piece.substr(0, unequal ? at - 1 : at)), !unequal, std::string(piece.substr(value))};
    const auto& more = row.rules.selectable;
    bool known = rule.field == "metadata.name" || (rule.field == "metadata.namespace" && row.namespaced) ||
                 std::find(more.begin(), more.end(), rule.field) != more.end();
    if (!known && row.custom) return std::unexpected(bad_request("field label not supported: " + rule.field));
    if (!known && more.empty())
      return std::unexpected(bad_request(in_quotes(rule.field) + " is not a known field selector: only "
                                                                 "\"metadata.name\", \"metadata.namespace\""));
    if (!known) return std::unexpected(bad_request("field label not supported: " + rule.field));
    selector.rules_.push_back(std::move(rule));
  }
  return selector;
}

bool FieldSelector::matches(const Json& object) const {
  return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    const Json* at = &object;
    for (std::string_view key : base::split(rule.field, '.'))
      if (at) at = base::find(*at, key);
    if (at && rule.field == "source") at = base::find(*at, "component");
    std::string value = !at || at->is_null() ? "" : at->is_string() ? at->get<std::string>() : at->dump();
    if (!at && (rule.field == "spec.unschedulable" || rule.field == "spec.hostNetwork")) value = "false";
    return (value == rule.value) == rule.equal;
  });
}

std::string FieldSelector::name() const {
  for (const Rule& rule : rules_)
    if (rule.field == "metadata.name" && rule.equal) return rule.value;
  return {};
}

}  // namespace localkube
