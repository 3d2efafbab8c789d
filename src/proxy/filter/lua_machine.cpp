// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/lua_machine.h"

#include <cstdlib>

namespace proxy {

static constexpr int kCountEvery = 10'000;

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
  machine.instructions_ += kCountEvery;
  if (machine.instructions_ > kMostInstructions) luaL_error(state, "the script runs too long");
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

int open_libraries(lua_State* state) {
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
  open_lua_handles(state);
  return 0;
}

int open_script(lua_State* state) {
  const auto& script = *static_cast<const LuaScript*>(lua_touserdata(state, 1));
  if (luaL_loadbufferx(state, script.source.data(), script.source.size(), "=script", "t")) return lua_error(state);
  lua_call(state, 0, 0);
  return 0;
}

int make_coroutine(lua_State* state) {
  lua_State* made = lua_newthread(state);
  lua_pushvalue(state, 1);  // the function
  lua_xmove(state, made, 1);
  return 1;
}

}  // namespace

base::Result<std::unique_ptr<LuaMachine>> LuaMachine::make(const LuaScript& script) {
  std::unique_ptr<LuaMachine> out(new LuaMachine());
  out->state_ = lua_newstate(&allocate, out.get());
  if (!out->state_) return base::fail(base::ErrorKind::Internal, "no memory for a Lua state");
  lua_sethook(out->state_, &count, LUA_MASKCOUNT, kCountEvery);
  auto failed = [&] {
    const char* text = lua_tostring(out->state_, -1);
    return base::fail(base::ErrorKind::Invalid, std::string("script load error: ") + (text ? text : "unknown"));
  };
  lua_pushcfunction(out->state_, &open_libraries);
  if (lua_pcall(out->state_, 0, 0, 0)) return failed();
  lua_pushcfunction(out->state_, &open_script);
  lua_pushlightuserdata(out->state_, const_cast<LuaScript*>(&script));
  if (lua_pcall(out->state_, 1, 0, 0)) return failed();
  return out;
}

LuaMachine::~LuaMachine() {
  if (state_) lua_close(state_);
}

bool LuaMachine::has(const char* function) const {
  bool there = lua_getglobal(state_, function) == LUA_TFUNCTION;
  lua_pop(state_, 1);
  return there;
}

lua_State* LuaMachine::coroutine(const char* function, int& reference) {
  reference = LUA_NOREF;
  lua_pushcfunction(state_, &make_coroutine);
  if (lua_getglobal(state_, function) != LUA_TFUNCTION) {
    lua_pop(state_, 2);
    return nullptr;
  }
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
  instructions_ = 0;
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
