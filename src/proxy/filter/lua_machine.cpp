// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/lua_machine.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "proxy/filter/lua_pattern.h"

namespace proxy {

static constexpr int kCountEvery = 500;
static constexpr char kTooLong[] = "the script runs too long";

static std::chrono::nanoseconds thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

void LuaMachine::begin_run() {
  instructions_ = 0;
  exhausted_ = false;
  began_ = thread_time();
}

// Time is for what costs more than it counts: an instruction may copy or compare megabytes.
bool LuaMachine::spend(uint64_t steps) {
  instructions_ += std::min(steps, 2 * kMostInstructions);
  exhausted_ |= instructions_ > kMostInstructions || thread_time() - began_ > kMostTime;
  return !exhausted_;
}

void* LuaMachine::allocate(void* self, void* block, size_t before, size_t after) {
  auto& machine = *static_cast<LuaMachine*>(self);
  if (!block) before = 0;  // then it tells the kind of object
  if (after == 0) {
    machine.memory_ -= before;
    std::free(block);
    return nullptr;
  }
  if (after > before && machine.memory_ + (after - before) > kMostMemory) return nullptr;
  void* out = std::realloc(block, after);
  if (out) machine.memory_ += after - before;
  return out;
}

void LuaMachine::count(lua_State* state, lua_Debug*) {
  void* self = nullptr;
  lua_getallocf(state, &self);
  auto& machine = *static_cast<LuaMachine*>(self);
  const auto counted = static_cast<uint64_t>(lua_gethookcount(state));
  machine.spend(counted);
  const int next = machine.exhausted_ ? 1 : kCountEvery;  // what catches the error ends at its own next step
  if (counted != static_cast<uint64_t>(next)) lua_sethook(state, &count, LUA_MASKCOUNT, next);
  if (machine.exhausted_) luaL_error(state, kTooLong);
}

// What C functions do at length, where no hook is called.
void LuaMachine::charge(lua_State* state, uint64_t steps) {
  void* self = nullptr;
  lua_getallocf(state, &self);
  if (!static_cast<LuaMachine*>(self)->spend(steps)) luaL_error(state, kTooLong);
}

int LuaMachine::charge_for(lua_State* state) {
  const lua_Number steps = lua_tonumber(state, 1);
  charge(state, steps > 0 ? static_cast<uint64_t>(std::min(steps, 1e18)) : 0);
  return 0;
}

// Refuses lists whose length is a function's word: it may say another one when it is asked again.
int LuaMachine::plain(lua_State* state) {
  if (luaL_getmetafield(state, 1, "__len") != LUA_TNIL)
    return luaL_error(state, "a list with __len is not supported here");
  return 0;
}

// Hands on what it gets, unless the script's time is up.
int LuaMachine::go_on(lua_State* state) {
  void* self = nullptr;
  lua_getallocf(state, &self);
  if (static_cast<LuaMachine*>(self)->exhausted_) return luaL_error(state, kTooLong);
  return lua_gettop(state);
}

namespace {

// What scripts written for Lua 5.1, as Envoy's LuaJIT is, expect to find.
constexpr const char* kOldNames = R"lua(
unpack = table.unpack
loadstring = function(text, name) return load(text, name, "t") end
table.getn = function(t) return #t end
table.maxn = function(t) local most = 0 for k in pairs(t) do if type(k) == "number" and k > most then most = k end end return most end
math.pow = function(x, y) return x ^ y end
math.log10 = function(x) return math.log(x, 10) end
bit = {
  band = function(a, b) return a & b end, bor = function(a, b) return a | b end, bxor = function(a, b) return a ~ b end,
  bnot = function(a) return ~a end, lshift = function(a, n) return a << n end, rshift = function(a, n) return a >> n end,
}
)lua";

// Nothing is called while values are collected: no limit holds there.
int set_metatable(lua_State* state) {
  if (lua_istable(state, 2)) {
    lua_pushliteral(state, "__gc");
    if (lua_rawget(state, 2) != LUA_TNIL) return luaL_error(state, "a metatable's __gc is not supported");
    lua_pop(state, 1);
  }
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_insert(state, 1);
  lua_call(state, lua_gettop(state) - 1, 1);
  return 1;
}

// What catches errors never catches the one that a script's time is up. A handler runs after its error, not inside of
// it: the hook that raises that one is not called again before it is done. Nothing here could look at the stack anyway.
constexpr const char* kCatching = R"lua(
local go_on = ...
local call, resume, close = pcall, coroutine.resume, coroutine.close
pcall = function(...) return go_on(call(...)) end
local handled = function(handler, ok, ...)
  if ok then return ok, ... end
  local _, said = pcall(handler, ...)
  return false, said
end
xpcall = function(run, handler, ...) return handled(handler, pcall(run, ...)) end
coroutine.resume = function(...) return go_on(resume(...)) end
coroutine.close = function(...) return go_on(close(...)) end
)lua";

// As many steps as a function in C may take by its arguments are counted before it runs.
constexpr const char* kCounted = R"lua(
local charge, plain, count_every = ...
local load_text, unpack_list, byte, create, wrap = load, table.unpack, string.byte, coroutine.create, coroutine.wrap
local move, insert, remove, concat, sort, rep = table.move, table.insert, table.remove, table.concat, table.sort, string.rep
local number = function(n, otherwise) return tonumber(n) or otherwise end
load = function(text, ...)
  if type(text) == "string" then charge(#text) end
  return load_text(text, ...)
end
table.unpack = function(list, first, last)
  plain(list)
  charge(number(last, #list) - number(first, 1))
  return unpack_list(list, first, last)
end
unpack = table.unpack
string.byte = function(text, first, last)
  charge(number(last, 0) - number(first, 0))
  return byte(text, first, last)
end
-- Its own count of steps begins with each.
coroutine.create = function(...) charge(count_every) return create(...) end
coroutine.wrap = function(...) charge(count_every) return wrap(...) end
table.move = function(a, first, last, ...)
  charge(number(last, 0) - number(first, 0))
  return move(a, first, last, ...)
end
table.insert = function(list, position, ...)
  plain(list)
  if select("#", ...) == 0 then return insert(list, position) end
  charge(#list - number(position, 0))
  return insert(list, position, ...)
end
table.remove = function(list, ...)
  plain(list)
  charge(#list - number((...), #list))
  return remove(list, ...)
end
table.concat = function(list, between, first, last)
  plain(list)
  last = last or #list
  charge(number(last, 0) - number(first, 1))
  return concat(list, between, first, last)
end
table.sort = function(list, ...)
  plain(list)
  charge(#list * 24)
  return sort(list, ...)
end
string.rep = function(text, count, ...)
  if text == "" then charge(count) end
  return rep(text, count, ...)
end
)lua";

int panic(lua_State* state) {
  const char* text = lua_tostring(state, -1);
  base::log::error("Lua: an error that nothing catches: {}", text ? text : "no text");
  return 0;
}

int make_coroutine(lua_State* state) {
  lua_State* made = lua_newthread(state);
  lua_pushvalue(state, 1);  // the function
  lua_xmove(state, made, 1);
  return 1;
}

}  // namespace

int LuaMachine::open_libraries(lua_State* state) {
  for (auto [name, open] : {std::pair<const char*, lua_CFunction>{LUA_GNAME, luaopen_base},
                            {LUA_COLIBNAME, luaopen_coroutine},
                            {LUA_TABLIBNAME, luaopen_table},
                            {LUA_STRLIBNAME, luaopen_string},
                            {LUA_MATHLIBNAME, luaopen_math},
                            {LUA_UTF8LIBNAME, luaopen_utf8},
                            {LUA_OSLIBNAME, luaopen_os}}) {
    luaL_requiref(state, name, open, 1);
    lua_pop(state, 1);
  }
  // Files, processes and bytecode are none of a script's business.
  for (const char* name : {"dofile", "loadfile", "collectgarbage"}) {
    lua_pushnil(state);
    lua_setglobal(state, name);
  }
  lua_getglobal(state, "os");
  for (const char* name : {"execute", "exit", "remove", "rename", "tmpname", "setlocale", "getenv"}) {
    lua_pushnil(state);
    lua_setfield(state, -2, name);
  }
  lua_pop(state, 1);
  // Text only: bytecode can break the machine.
  if (luaL_dostring(
          state,
          "local load_any = load; load = function(chunk, name, _, ...) return load_any(chunk, name, 't', ...) end"))
    return lua_error(state);
  lua_getglobal(state, "string");
  lua_pushnil(state);
  lua_setfield(state, -2, "dump");
  lua_pop(state, 1);
  if (luaL_dostring(state, kOldNames)) return lua_error(state);
  if (luaL_loadstring(state, kCatching)) return lua_error(state);
  lua_pushcfunction(state, &LuaMachine::go_on);
  lua_call(state, 1, 0);
  if (luaL_loadstring(state, kCounted)) return lua_error(state);
  lua_pushcfunction(state, &LuaMachine::charge_for);
  lua_pushcfunction(state, &LuaMachine::plain);
  lua_pushinteger(state, kCountEvery);
  lua_call(state, 3, 0);
  open_lua_patterns(state, &LuaMachine::charge);
  lua_getglobal(state, "setmetatable");
  lua_pushcclosure(state, &set_metatable, 1);
  lua_setglobal(state, "setmetatable");
  open_lua_handles(state);
  return 0;
}

int LuaMachine::open_script(lua_State* state) {
  const auto& script = *static_cast<const LuaScript*>(lua_touserdata(state, 1));
  if (luaL_loadbufferx(state, script.source.data(), script.source.size(), "=script", "t")) return lua_error(state);
  lua_call(state, 0, 0);
  void* self = nullptr;
  lua_getallocf(state, &self);
  auto& machine = *static_cast<LuaMachine*>(self);
  lua_pushglobaltable(state);
  for (Entry entry : {Entry::OnRequest, Entry::OnResponse}) {
    // As they are there: what a script makes of its globals' metatable is not asked.
    lua_pushstring(state, entry == Entry::OnRequest ? "envoy_on_request" : "envoy_on_response");
    if (lua_rawget(state, -2) == LUA_TFUNCTION)
      machine.entries_[static_cast<size_t>(entry)] = luaL_ref(state, LUA_REGISTRYINDEX);
    else
      lua_pop(state, 1);
  }
  return 0;
}

base::Result<std::unique_ptr<LuaMachine>> LuaMachine::make(const LuaScript& script) {
  std::unique_ptr<LuaMachine> out(new LuaMachine());
  out->begin_run();
  out->state_ = lua_newstate(&allocate, out.get());
  if (!out->state_) return base::fail(base::ErrorKind::Internal, "no memory for a Lua state");
  lua_atpanic(out->state_, &panic);
  lua_sethook(out->state_, &count, LUA_MASKCOUNT, kCountEvery);
  auto failed = [&] {
    const char* text = lua_tostring(out->state_, -1);
    return base::fail(base::ErrorKind::Invalid, std::string("script load error: ") + (text ? text : "unknown"));
  };
  lua_pushcfunction(out->state_, &LuaMachine::open_libraries);
  if (lua_pcall(out->state_, 0, 0, 0)) return failed();
  lua_pushcfunction(out->state_, &open_script);
  lua_pushlightuserdata(out->state_, const_cast<LuaScript*>(&script));
  if (lua_pcall(out->state_, 1, 0, 0)) return failed();
  return out;
}

LuaMachine::~LuaMachine() {
  if (state_) lua_close(state_);
}

lua_State* LuaMachine::coroutine(Entry entry, int& reference) {
  reference = LUA_NOREF;
  if (!has(entry)) return nullptr;
  lua_pushcfunction(state_, &make_coroutine);
  lua_rawgeti(state_, LUA_REGISTRYINDEX, entries_[static_cast<size_t>(entry)]);
  if (lua_pcall(state_, 1, 1, 0)) {
    lua_pop(state_, 1);
    return nullptr;
  }
  lua_State* made = lua_tothread(state_, -1);
  lua_sethook(made, &count, LUA_MASKCOUNT, kCountEvery);
  // luaL_ref may need memory.
  struct Keep {
    static int run(lua_State* state) {
      lua_pushinteger(state, luaL_ref(state, LUA_REGISTRYINDEX));
      return 1;
    }
  };
  lua_pushcfunction(state_, &Keep::run);
  lua_insert(state_, -2);
  if (lua_pcall(state_, 1, 1, 0)) {
    lua_pop(state_, 1);
    return nullptr;
  }
  reference = static_cast<int>(lua_tointeger(state_, -1));
  lua_pop(state_, 1);
  return made;
}

void LuaMachine::release(int reference) { luaL_unref(state_, LUA_REGISTRYINDEX, reference); }

bool LuaMachine::resume(lua_State* coroutine, int arguments, bool& yielded, std::string& error) {
  begin_run();
  int results = 0;
  int status = lua_resume(coroutine, state_, arguments, &results);
  yielded = status == LUA_YIELD;
  if (yielded) lua_pop(coroutine, results);
  if (status == LUA_OK || status == LUA_YIELD) return true;
  const char* text = lua_tostring(coroutine, -1);
  error = text ? text : "an error that is no text";
  return false;
}

std::shared_ptr<LuaMachine> LuaMachines::of(const std::shared_ptr<const LuaScript>& script) {
  for (const Entry& entry : machines)
    if (entry.script.lock() == script) return entry.machine;
  std::erase_if(machines, [](const Entry& entry) { return entry.script.expired(); });
  auto made = LuaMachine::make(*script);
  if (!made) return nullptr;
  machines.push_back({script, std::move(*made)});
  return machines.back().machine;
}

base::Result<std::shared_ptr<const LuaScript>> LuaScript::make(std::string source) {
  auto out = std::make_shared<LuaScript>(LuaScript{std::move(source)});
  TRY(LuaMachine::make(*out));
  return out;
}

}  // namespace proxy
