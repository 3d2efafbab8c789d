// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>

#include <memory>
#include <string>

#include "proxy/filter/lua.h"
#include "proxy/runtime/worker.h"
#include "proxy/stream/side_call.h"

namespace proxy {

// A Lua state with one script loaded. Debian's Lua built as C++: its errors
// unwind the stack, so destructors run. One thread's.
class LuaMachine {
 public:
  static constexpr size_t kMostMemory = 64u << 20;            // of all its scripts' values
  static constexpr uint64_t kMostInstructions = 20'000'000;   // without a pause
  static constexpr std::chrono::milliseconds kMostTime{500};  // of the thread, without a pause

  static base::Result<std::unique_ptr<LuaMachine>> make(const LuaScript& script);
  ~LuaMachine();
  LuaMachine(const LuaMachine&) = delete;

  enum class Entry : uint8_t { OnRequest, OnResponse };  // the global functions that a script is called by
  bool has(Entry entry) const { return entries_[static_cast<size_t>(entry)] != LUA_NOREF; }
  // A coroutine that waits to run that function, as it was when the script was loaded; nullptr: there is none, or no
  // memory.
  lua_State* coroutine(Entry entry, int& reference);
  void release(int reference);
  lua_State* state() const { return state_; }
  // Runs a coroutine on; false: it failed, `error` says how. Yielded tells whether it wants to go on later.
  bool resume(lua_State* coroutine, int arguments, bool& yielded, std::string& error);

 private:
  LuaMachine() = default;
  static void* allocate(void* self, void* block, size_t before, size_t after);
  static void count(lua_State* state, lua_Debug*);
  static int open_libraries(lua_State* state);
  static int open_script(lua_State* state);
  static int go_on(lua_State* state);
  static void charge(lua_State* state, uint64_t steps);
  static int charge_for(lua_State* state);
  static int plain(lua_State* state);
  void begin_run();
  bool spend(uint64_t steps);  // false: that was too much

  lua_State* state_ = nullptr;
  size_t memory_ = 0;
  uint64_t instructions_ = 0;
  std::chrono::nanoseconds began_{};  // by the thread's own clock
  bool exhausted_ = false;            // nothing of this call may catch that, or go on
  int entries_[2] = {LUA_NOREF, LUA_NOREF};
};

// The machines of one worker, by script.
struct LuaMachines final : Mortal {
  explicit LuaMachines(Worker&) {}
  struct Entry {
    std::weak_ptr<const LuaScript> script;
    std::shared_ptr<LuaMachine> machine;
  };
  std::vector<Entry> machines;
  // nullptr: it cannot be loaded (it was checked, so: no memory).
  std::shared_ptr<LuaMachine> of(const std::shared_ptr<const LuaScript>& script);
};

// What one call of a script works on; handles in Lua point here, and find
// nothing once the call is over.
struct LuaScope {
  Stream* stream = nullptr;
  const Filter* filter = nullptr;
  bool response = false;
  bool head_open = true;        // headers may be changed
  net::Buffer* body = nullptr;  // while a body, or a piece of one, stands in front of the filter
  bool whole_body = false;      // and it is all of it
  http::Headers* trailers = nullptr;
  size_t handed_out = 0;  // bytes of headers, trailers and metadata that the script made
  const base::Json* metadata = nullptr;
  const base::Json* context = nullptr;

  enum class Wait : uint8_t { Nothing, Body, Chunk, Trailers, Call, Never };
  Wait wait = Wait::Nothing;
  std::optional<Reply> reply;  // of respond()
  struct Call {
    std::string cluster;
    http::Request request;
    std::chrono::milliseconds timeout{0};
  };
  std::optional<Call> call;  // of httpCall()
};

// Makes the types of handles known to a state.
void open_lua_handles(lua_State* state);
// Pushes the handle that envoy_on_request or envoy_on_response gets.
void push_lua_handle(lua_State* state, const std::shared_ptr<LuaScope>& scope);
// Push what a script that waited gets: the body, a chunk of it, trailers.
void push_lua_body(lua_State* state, const std::shared_ptr<LuaScope>& scope);
void push_lua_trailers(lua_State* state, const std::shared_ptr<LuaScope>& scope);
// Two values: the table of headers, and the body or nil.
void push_lua_answer(lua_State* state, const SideAnswer& answer);

}  // namespace proxy
