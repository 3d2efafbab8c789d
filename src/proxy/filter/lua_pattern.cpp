// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/lua_pattern.h"

#include <lua5.4/lauxlib.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

namespace proxy {
namespace {

constexpr int kMostCaptures = 32;
constexpr int kDeepest = 200;  // calls of one match in each other
constexpr uint32_t kChargeEvery = 1000;

class Matcher {
 public:
  Matcher(lua_State* state, std::string_view text, std::string_view pattern, LuaCharge charge)
      : state_(state), text_(text), pattern_(pattern), charge_(charge) {}

  // Where a match that begins at `at` ends; npos: there is none.
  size_t match(size_t at, size_t from = 0) {
    level_ = depth_ = 0;
    return go(at, from);
  }

  int level() const { return level_; }
  void push_capture(int index, size_t begin, size_t end) const {
    if (index >= level_) {
      if (index != 0) luaL_error(state_, "invalid capture index %%%d", index + 1);
      lua_pushlstring(state_, text_.data() + begin, end - begin);
      return;
    }
    const Capture& capture = captures_[index];
    if (capture.kind == Kind::Open) luaL_error(state_, "unfinished capture");
    if (capture.kind == Kind::Position)
      lua_pushinteger(state_, static_cast<lua_Integer>(capture.at) + 1);
    else
      lua_pushlstring(state_, text_.data() + capture.at, capture.size);
  }
  // All of them; the whole match where there are none and `whole` says so.
  int push_captures(size_t begin, size_t end, bool whole) const {
    const int count = level_ == 0 && whole ? 1 : level_;
    luaL_checkstack(state_, count, "too many captures");
    for (int i = 0; i < count; ++i) push_capture(i, begin, end);
    return count;
  }

 private:
  static constexpr size_t npos = std::string_view::npos;
  enum class Kind : uint8_t { Open, Closed, Position };
  struct Capture {
    size_t at = 0, size = 0;
    Kind kind = Kind::Open;
  };

  unsigned char at(size_t p) const { return p < pattern_.size() ? static_cast<unsigned char>(pattern_[p]) : 0; }
  void step() {
    if (++steps_ < kChargeEvery) return;
    charge_(state_, steps_);
    steps_ = 0;
  }

  // Behind the single character, class or set that begins at `p`.
  size_t item_end(size_t p) const {
    if (pattern_[p] == '%') {
      if (p + 1 >= pattern_.size()) luaL_error(state_, "malformed pattern (ends with '%%')");
      return p + 2;
    }
    if (pattern_[p] != '[') return p + 1;
    if (at(++p) == '^') ++p;
    // A bracket that comes first is one of the set.
    for (bool first = true; first || at(p) != ']' || p >= pattern_.size(); first = false) {
      if (p >= pattern_.size()) luaL_error(state_, "malformed pattern (missing ']')");
      if (pattern_[p++] == '%') ++p;
    }
    return p + 1;
  }

  static bool in_class(unsigned char c, unsigned char name) {
    bool in = false;
    switch (std::tolower(name)) {
      case 'a':
        in = std::isalpha(c);
        break;
      case 'c':
        in = std::iscntrl(c);
        break;
      case 'd':
        in = std::isdigit(c);
        break;
      case 'g':
        in = std::isgraph(c);
        break;
      case 'l':
        in = std::islower(c);
        break;
      case 'p':
        in = std::ispunct(c);
        break;
      case 's':
        in = std::isspace(c);
        break;
      case 'u':
        in = std::isupper(c);
        break;
      case 'w':
        in = std::isalnum(c);
        break;
      case 'x':
        in = std::isxdigit(c);
        break;
      default:
        return name == c;
    }
    return std::isupper(name) ? !in : in;
  }

  // `p` at the "[", `end` behind the "]".
  bool in_set(unsigned char c, size_t p, size_t end) const {
    const size_t last = end - 1;
    bool wanted = true;
    if (at(++p) == '^') {
      wanted = false;
      ++p;
    }
    for (; p < last; ++p) {
      if (at(p) == '%') {
        if (in_class(c, at(++p))) return wanted;
      } else if (at(p + 1) == '-' && p + 2 < last) {
        if (at(p) <= c && c <= at(p + 2)) return wanted;
        p += 2;
      } else if (at(p) == c) {
        return wanted;
      }
    }
    return !wanted;
  }

  bool fits(size_t s, size_t p, size_t end) {
    step();
    if (s >= text_.size()) return false;
    const auto c = static_cast<unsigned char>(text_[s]);
    switch (pattern_[p]) {
      case '.':
        return true;
      case '%':
        return in_class(c, at(p + 1));
      case '[':
        return in_set(c, p, end);
      default:
        return static_cast<unsigned char>(pattern_[p]) == c;
    }
  }

  size_t go(size_t s, size_t p) {
    if (++depth_ > kDeepest) luaL_error(state_, "pattern too complex");
    const size_t out = run(s, p);
    --depth_;
    return out;
  }

  size_t run(size_t s, size_t p) {
    while (p < pattern_.size()) {
      step();
      const char c = pattern_[p];
      if (c == '(') return at(p + 1) == ')' ? open(s, p + 2, Kind::Position) : open(s, p + 1, Kind::Open);
      if (c == ')') return close(s, p + 1);
      if (c == '$' && p + 1 == pattern_.size()) return s == text_.size() ? s : npos;
      if (c == '%' && at(p + 1) == 'b') {
        if ((s = balanced(s, p + 2)) == npos) return npos;
        p += 4;
        continue;
      }
      if (c == '%' && at(p + 1) == 'f') {
        p += 2;
        if (at(p) != '[') luaL_error(state_, "missing '[' after '%%f' in pattern");
        const size_t end = item_end(p);
        const auto before = static_cast<unsigned char>(s == 0 ? 0 : text_[s - 1]);
        const auto here = static_cast<unsigned char>(s < text_.size() ? text_[s] : 0);
        if (in_set(before, p, end) || !in_set(here, p, end)) return npos;
        p = end;
        continue;
      }
      if (c == '%' && std::isdigit(at(p + 1))) {
        if ((s = again(s, at(p + 1))) == npos) return npos;
        p += 2;
        continue;
      }
      const size_t end = item_end(p);
      switch (at(end)) {
        case '?':
          if (fits(s, p, end))
            if (const size_t rest = go(s + 1, end + 1); rest != npos) return rest;
          p = end + 1;
          continue;
        case '+':
          return fits(s, p, end) ? most(s + 1, p, end) : npos;
        case '*':
          return most(s, p, end);
        case '-':
          return least(s, p, end);
        default:
          break;
      }
      if (!fits(s, p, end)) return npos;
      ++s;
      p = end;
    }
    return s;
  }

  size_t most(size_t s, size_t p, size_t end) {
    size_t count = 0;
    while (fits(s + count, p, end)) ++count;
    for (;; --count) {
      if (const size_t rest = go(s + count, end + 1); rest != npos) return rest;
      if (count == 0) return npos;
      step();
    }
  }

  size_t least(size_t s, size_t p, size_t end) {
    for (;; ++s) {
      if (const size_t rest = go(s, end + 1); rest != npos) return rest;
      if (!fits(s, p, end)) return npos;
    }
  }

  size_t open(size_t s, size_t p, Kind kind) {
    if (level_ >= kMostCaptures) luaL_error(state_, "too many captures");
    captures_[level_++] = {.at = s, .size = 0, .kind = kind};
    const size_t rest = go(s, p);
    if (rest == npos) --level_;
    return rest;
  }

  size_t close(size_t s, size_t p) {
    int index = level_ - 1;
    while (index >= 0 && captures_[index].kind != Kind::Open) --index;
    if (index < 0) luaL_error(state_, "invalid pattern capture");
    captures_[index].size = s - captures_[index].at;
    captures_[index].kind = Kind::Closed;
    const size_t rest = go(s, p);
    if (rest == npos) captures_[index].kind = Kind::Open;
    return rest;
  }

  // Behind what begins with one character and ends with another, as often as it began.
  size_t balanced(size_t s, size_t p) {
    if (p + 1 >= pattern_.size()) luaL_error(state_, "malformed pattern (missing arguments to '%%b')");
    if (s >= text_.size() || text_[s] != pattern_[p]) return npos;
    int open = 1;
    while (++s < text_.size()) {
      step();
      if (text_[s] == pattern_[p + 1]) {
        if (--open == 0) return s + 1;
      } else if (text_[s] == pattern_[p]) {
        ++open;
      }
    }
    return npos;
  }

  // Behind what a capture holds, once more.
  size_t again(size_t s, unsigned char digit) {
    const int index = digit - '1';
    if (index < 0 || index >= level_ || captures_[index].kind == Kind::Open)
      luaL_error(state_, "invalid capture index %%%d", index + 1);
    if (captures_[index].kind == Kind::Position) return npos;
    const std::string_view held = text_.substr(captures_[index].at, captures_[index].size);
    steps_ += static_cast<uint32_t>(held.size() / 16);
    return text_.substr(s).starts_with(held) ? s + held.size() : npos;
  }

  lua_State* state_;
  std::string_view text_, pattern_;
  LuaCharge charge_;
  Capture captures_[kMostCaptures];
  int level_ = 0, depth_ = 0;
  uint32_t steps_ = 0;
};

LuaCharge charge_of(lua_State* state) {
  return reinterpret_cast<LuaCharge>(lua_touserdata(state, lua_upvalueindex(1)));
}

std::string_view text_at(lua_State* state, int index) {
  size_t size = 0;
  const char* bytes = luaL_checklstring(state, index, &size);
  return {bytes, size};
}

// The offset that the optional argument names, from the end where it is negative; past the text: one behind its end.
size_t begin_at(lua_State* state, int index, size_t size) {
  const lua_Integer wanted = luaL_optinteger(state, index, 1);
  const auto length = static_cast<lua_Integer>(size);
  if (wanted > length) return size + (wanted > length + 1);
  if (wanted > 0) return static_cast<size_t>(wanted - 1);
  return wanted == 0 || wanted < -length ? 0 : static_cast<size_t>(length + wanted);
}

int look_for(lua_State* state, bool positions) {
  const std::string_view text = text_at(state, 1), pattern = text_at(state, 2);
  size_t s = begin_at(state, 3, text.size());
  if (s > text.size()) {
    luaL_pushfail(state);
    return 1;
  }
  if (positions && (lua_toboolean(state, 4) || pattern.find_first_of("^$*+?.([%-") == pattern.npos)) {
    const void* found =
        pattern.empty() ? text.data() + s : memmem(text.data() + s, text.size() - s, pattern.data(), pattern.size());
    if (!found) {
      luaL_pushfail(state);
      return 1;
    }
    const auto at = static_cast<lua_Integer>(static_cast<const char*>(found) - text.data());
    lua_pushinteger(state, at + 1);
    lua_pushinteger(state, at + static_cast<lua_Integer>(pattern.size()));
    return 2;
  }
  const bool anchored = pattern.starts_with('^');
  Matcher matcher(state, text, pattern, charge_of(state));
  do {
    const size_t end = matcher.match(s, anchored);
    if (end == text.npos) continue;
    if (!positions) return matcher.push_captures(s, end, true);
    lua_pushinteger(state, static_cast<lua_Integer>(s) + 1);
    lua_pushinteger(state, static_cast<lua_Integer>(end));
    return matcher.push_captures(s, end, false) + 2;
  } while (!anchored && s++ < text.size());
  luaL_pushfail(state);
  return 1;
}

int find(lua_State* state) { return look_for(state, true); }
int match(lua_State* state) { return look_for(state, false); }

// Upvalues: the charge, text, pattern, where to go on, where the last match ended (-1: there was none).
int next_match(lua_State* state) {
  const std::string_view text = text_at(state, lua_upvalueindex(2)), pattern = text_at(state, lua_upvalueindex(3));
  const lua_Integer last = lua_tointeger(state, lua_upvalueindex(5));
  Matcher matcher(state, text, pattern, charge_of(state));
  for (auto s = static_cast<size_t>(lua_tointeger(state, lua_upvalueindex(4))); s <= text.size(); ++s) {
    const size_t end = matcher.match(s);
    if (end == text.npos || static_cast<lua_Integer>(end) == last) continue;
    for (int kept : {4, 5}) {
      lua_pushinteger(state, static_cast<lua_Integer>(end));
      lua_replace(state, lua_upvalueindex(kept));
    }
    return matcher.push_captures(s, end, true);
  }
  return 0;
}

int all_matches(lua_State* state) {
  const std::string_view text = text_at(state, 1);
  text_at(state, 2);
  const size_t begin = begin_at(state, 3, text.size());
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_pushvalue(state, 1);
  lua_pushvalue(state, 2);
  lua_pushinteger(state, static_cast<lua_Integer>(begin));
  lua_pushinteger(state, -1);
  lua_pushcclosure(state, &next_match, 5);
  return 1;
}

void add_text(lua_State* state, luaL_Buffer& out, const Matcher& matcher, std::string_view with, size_t begin,
              size_t end) {
  for (size_t i = 0; i < with.size(); ++i) {
    if (with[i] != '%') {
      luaL_addchar(&out, with[i]);
      continue;
    }
    const char next = ++i < with.size() ? with[i] : '\0';
    if (next == '%') {
      luaL_addchar(&out, '%');
    } else if (next == '0') {
      luaL_addlstring(&out, text_at(state, 1).data() + begin, end - begin);
    } else if (std::isdigit(static_cast<unsigned char>(next))) {
      matcher.push_capture(next - '1', begin, end);
      luaL_tolstring(state, -1, nullptr);
      lua_remove(state, -2);
      luaL_addvalue(&out);
    } else {
      luaL_error(state, "invalid use of '%%' in replacement string");
    }
  }
}

void add_replacement(lua_State* state, luaL_Buffer& out, const Matcher& matcher, size_t begin, size_t end) {
  switch (lua_type(state, 3)) {
    case LUA_TFUNCTION:
      lua_pushvalue(state, 3);
      lua_call(state, matcher.push_captures(begin, end, true), 1);
      break;
    case LUA_TTABLE:
      matcher.push_capture(0, begin, end);
      lua_gettable(state, 3);
      break;
    default:
      return add_text(state, out, matcher, text_at(state, 3), begin, end);
  }
  if (!lua_toboolean(state, -1)) {  // as it was
    lua_pop(state, 1);
    luaL_addlstring(&out, text_at(state, 1).data() + begin, end - begin);
  } else if (!lua_isstring(state, -1)) {
    luaL_error(state, "invalid replacement value (a %s)", luaL_typename(state, -1));
  } else {
    luaL_addvalue(&out);
  }
}

int replace(lua_State* state) {
  const std::string_view text = text_at(state, 1), pattern = text_at(state, 2);
  const int type = lua_type(state, 3);
  luaL_argexpected(state, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                   "string/function/table");
  if (type == LUA_TNUMBER) luaL_checkstring(state, 3);  // a text from here on
  const lua_Integer most = luaL_optinteger(state, 4, static_cast<lua_Integer>(text.size()) + 1);
  const bool anchored = pattern.starts_with('^');
  Matcher matcher(state, text, pattern, charge_of(state));
  luaL_Buffer out;
  luaL_buffinit(state, &out);
  lua_Integer count = 0;
  size_t s = 0, last = text.npos;
  while (count < most) {
    const size_t end = matcher.match(s, anchored);
    if (end != text.npos && end != last) {
      ++count;
      add_replacement(state, out, matcher, s, end);
      s = last = end;
    } else if (s < text.size()) {
      luaL_addchar(&out, text[s++]);
    } else {
      break;
    }
    if (anchored) break;
  }
  luaL_addlstring(&out, text.data() + s, text.size() - s);
  luaL_pushresult(&out);
  lua_pushinteger(state, count);
  return 2;
}

}  // namespace

void open_lua_patterns(lua_State* state, LuaCharge charge) {
  lua_getglobal(state, "string");
  for (auto [name, function] : {std::pair<const char*, lua_CFunction>{"find", &find},
                                {"match", &match},
                                {"gmatch", &all_matches},
                                {"gsub", &replace}}) {
    lua_pushlightuserdata(state, reinterpret_cast<void*>(charge));
    lua_pushcclosure(state, function, 1);
    lua_setfield(state, -2, name);
  }
  lua_pop(state, 1);
}

}  // namespace proxy
