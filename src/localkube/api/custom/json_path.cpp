// SPDX-License-Identifier: Apache-2.0
#include "localkube/api/custom/json_path.h"

#include <optional>

#include "base/strings.h"

namespace localkube {

using base::Json;

namespace {

struct Step {
  enum class Kind { Key, Index, All, Filter };
  Kind kind;
  std::string key;  // or the filter's path
  int64_t index = 0;
  std::string value;  // a filter's right side
  bool equal = true;
};

std::string_view unquoted(std::string_view text) {
  text = base::trim(text);
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

// "?(@.type=="Ready")"
std::optional<Step> filter_of(std::string_view inside) {
  if (!inside.starts_with("?(") || !inside.ends_with(")")) return std::nullopt;
  std::string_view body = base::trim(inside.substr(2, inside.size() - 3));
  size_t equal = body.find("=="), unequal = body.find("!=");
  size_t at = std::min(equal, unequal);
  if (at == body.npos) return std::nullopt;
  std::string_view left = base::trim(body.substr(0, at));
  if (!left.starts_with("@.")) return std::nullopt;
  return Step{Step::Kind::Filter, std::string(left.substr(1)), 0, std::string(unquoted(body.substr(at + 2))),
              at == equal};
}

std::optional<Step> bracket_of(std::string_view inside) {
  if (inside == "*") return Step{Step::Kind::All, {}, 0, {}, true};
  if (inside.starts_with('?')) return filter_of(inside);
  if (inside.starts_with('\'') || inside.starts_with('"'))
    return Step{Step::Kind::Key, std::string(unquoted(inside)), 0, {}, true};
  if (auto index = base::parse_number<int64_t>(inside)) return Step{Step::Kind::Index, {}, *index, {}, true};
  return std::nullopt;
}

std::optional<std::vector<Step>> parse(std::string_view path) {
  std::vector<Step> steps;
  path = base::trim(path);
  if (path.starts_with('{') && path.ends_with('}')) path = path.substr(1, path.size() - 2);
  if (path.starts_with('$')) path.remove_prefix(1);
  while (!path.empty()) {
    if (path.front() == '[') {
      size_t end = path.starts_with("[?(") ? path.find(")]") : path.find(']');
      if (end == path.npos) return std::nullopt;
      if (path.starts_with("[?(")) ++end;
      auto step = bracket_of(path.substr(1, end - 1));
      if (!step) return std::nullopt;
      steps.push_back(std::move(*step));
      path.remove_prefix(end + 1);
      continue;
    }
    if (path.front() != '.') return std::nullopt;
    path.remove_prefix(1);
    std::string key;
    while (!path.empty() && path.front() != '.' && path.front() != '[') {
      if (path.front() == '\\' && path.size() > 1) path.remove_prefix(1);
      key += path.front();
      path.remove_prefix(1);
    }
    if (key.empty()) continue;
    if (key == "*")
      steps.push_back({Step::Kind::All, {}, 0, {}, true});
    else
      steps.push_back({Step::Kind::Key, std::move(key), 0, {}, true});
  }
  return steps;
}

bool passes(const Step& filter, const Json& item) {
  const Json* found = value_at(item, filter.key);
  if (!found) return !filter.equal;
  std::string text = found->is_string() ? found->get<std::string>() : found->dump();
  return (text == filter.value) == filter.equal;
}

void walk(const Json& at, const std::vector<Step>& steps, size_t i, std::vector<const Json*>& out) {
  if (i == steps.size()) {
    out.push_back(&at);
    return;
  }
  const Step& step = steps[i];
  switch (step.kind) {
    case Step::Kind::Key:
      if (const Json* next = base::find(at, step.key)) walk(*next, steps, i + 1, out);
      return;
    case Step::Kind::Index: {
      if (!at.is_array()) return;
      int64_t index = step.index < 0 ? step.index + static_cast<int64_t>(at.size()) : step.index;
      if (index >= 0 && index < static_cast<int64_t>(at.size()))
        walk(at[static_cast<size_t>(index)], steps, i + 1, out);
      return;
    }
    case Step::Kind::All:
    case Step::Kind::Filter:
      if (!at.is_structured()) return;
      for (const Json& item : at)
        if (step.kind == Step::Kind::All || passes(step, item)) walk(item, steps, i + 1, out);
      return;
  }
}

}  // namespace

std::vector<const Json*> values_at(const Json& root, std::string_view path) {
  std::vector<const Json*> out;
  if (auto steps = parse(path)) walk(root, *steps, 0, out);
  return out;
}

const Json* value_at(const Json& root, std::string_view path) {
  auto all = values_at(root, path);
  return all.empty() ? nullptr : all.front();
}

void set_value_at(Json& root, std::string_view path, Json value) {
  auto steps = parse(path);
  if (!steps) return;
  Json* at = &root;
  for (const Step& step : *steps) {
    if (step.kind != Step::Kind::Key) return;
    if (!at->is_object()) *at = Json::object();
    at = &(*at)[step.key];
  }
  *at = std::move(value);
}

}  // namespace localkube
