// SPDX-License-Identifier: Apache-2.0
#include "http/h1_spelling.h"

#include <algorithm>
#include <cstring>

namespace http::h1 {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

bool same_name(std::string_view spelled, std::string_view other) {
  return std::ranges::equal(spelled, other, {}, lower, lower);
}

// Calls what(first, last) for the name of each field after the first line.
template <class Char, class What>
void each_name(Char* at, Char* end, What what) {
  static constexpr std::string_view kLineEnd = "\r\n";
  at = std::search(at, end, kLineEnd.begin(), kLineEnd.end());
  while (end - at > 2) {
    at += 2;
    Char* line_end = std::search(at, end, kLineEnd.begin(), kLineEnd.end());
    if (Char* colon = std::find(at, line_end, ':'); colon != line_end) what(at, colon);
    at = line_end;
  }
}

// As Envoy's proper_case_words: a letter is a capital where it begins the name or follows what is no letter or digit.
void capitalize(char* at, char* end) {
  bool begins = true;
  for (; at != end; ++at) {
    const bool letter = *at >= 'a' && *at <= 'z';
    if (letter && begins) *at = static_cast<char>(*at - 32);
    begins = !letter && !is_upper(*at) && !(*at >= '0' && *at <= '9');
  }
}

}  // namespace

const std::string* Spelling::find(std::string_view name) const {
  auto found = std::ranges::find_if(names_, [&](const std::string& spelled) { return same_name(spelled, name); });
  return found == names_.end() ? nullptr : &*found;
}

std::unique_ptr<Spelling> Spelling::learned(const std::optional<Spelling>& rule, std::string_view text) {
  if (!rule || !rule->learns_) return nullptr;
  auto out = std::make_unique<Spelling>(*rule);
  while (text.starts_with("\r\n")) text.remove_prefix(2);  // before a request
  each_name(text.data(), text.data() + text.size(), [&](const char* first, const char* last) {
    std::string_view name(first, static_cast<size_t>(last - first));
    const bool worth = out->unknown_ == Unknown::Proper || std::ranges::any_of(name, is_upper);
    if (worth && !out->find(name)) out->names_.emplace_back(name);
  });
  return out;
}

const Spelling* Spelling::chosen(const Spelling* learned, const std::optional<Spelling>& rule) {
  if (learned) return learned;
  return rule && !rule->learns_ ? &*rule : nullptr;
}

void Spelling::respell(char* begin, char* end) const {
  each_name(begin, end, [&](char* first, char* last) {
    if (const std::string* known = find({first, static_cast<size_t>(last - first)}))
      std::memcpy(first, known->data(), known->size());
    else if (unknown_ == Unknown::Proper)
      capitalize(first, last);
  });
}

}  // namespace http::h1
