// SPDX-License-Identifier: Apache-2.0
#include "http/headers.h"

#include <algorithm>
#include <functional>

namespace http {

// Both views may lie in the arena itself, which append() may move.
static bool inside(std::string_view text, const std::string& arena) {
  std::less_equal<const char*> before;
  return !text.empty() && before(arena.data(), text.data()) && before(text.data(), arena.data() + arena.size());
}

void Headers::add(std::string_view name, std::string_view value) {
  size_t needed = arena_.size() + name.size() + value.size();
  if (needed > arena_.capacity()) {
    if (inside(name, arena_) || inside(value, arena_)) {
      std::string name_copy(name), value_copy(value);
      arena_.reserve(std::max(needed, 2 * arena_.capacity()));
      return add(name_copy, value_copy);
    }
    arena_.reserve(std::max<size_t>({needed, 2 * arena_.capacity(), 512}));
  }
  if (fields_.capacity() == 0) fields_.reserve(16);
  auto at = static_cast<uint32_t>(arena_.size());
  arena_.append(name);
  arena_.append(value);
  auto name_size = static_cast<uint32_t>(name.size());
  fields_.push_back({at, name_size, at + name_size, static_cast<uint32_t>(value.size())});
  live_bytes_ += name.size() + value.size();
}

void Headers::set(std::string_view name, std::string_view value) {
  if (!contains(name)) return add(name, value);
  std::string name_copy(name), value_copy(value);
  remove(name_copy);
  add(name_copy, value_copy);
}

bool Headers::remove(std::string_view name) {
  auto matches = [&](const Entry& entry) {
    if (entry.name_size != name.size() || view(entry).name != name) return false;
    live_bytes_ -= entry.name_size + entry.value_size;
    return true;
  };
  auto gone = std::remove_if(fields_.begin(), fields_.end(), matches);
  bool any = gone != fields_.end();
  fields_.erase(gone, fields_.end());
  if (arena_.size() > 4096 + 4 * live_bytes_) {  // long-lived and often changed: drop what nobody refers to
    std::string fresh;
    fresh.reserve(live_bytes_ * 2);
    for (Entry& entry : fields_) {
      Field field = view(entry);
      entry.name_at = static_cast<uint32_t>(fresh.size());
      fresh.append(field.name);
      entry.value_at = static_cast<uint32_t>(fresh.size());
      fresh.append(field.value);
    }
    arena_ = std::move(fresh);
  }
  return any;
}

void Headers::clear() {
  arena_.clear();
  fields_.clear();
  live_bytes_ = 0;
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const Entry& entry : fields_)
    if (entry.name_size == name.size())
      if (Field field = view(entry); field.name == name) return field.value;
  return std::nullopt;
}

std::string Headers::joined(std::string_view name) const {
  std::string out;
  bool first = true;
  for (Field field : *this) {
    if (field.name != name) continue;
    if (!first) out += ',';
    first = false;
    out += field.value;
  }
  return out;
}

size_t Headers::count(std::string_view name) const {
  size_t count = 0;
  for (Field field : *this) count += field.name == name;
  return count;
}

}  // namespace http
