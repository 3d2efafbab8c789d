// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <lua5.4/lua.h>

#include <cstdint>

namespace proxy {

// Counts work of C functions as instructions of the script; raises an error where they are too many.
using LuaCharge = void (*)(lua_State* state, uint64_t steps);

// string.find, match, gmatch and gsub of Lua 5.4 (its manual, 6.4.1), with every step of a match counted: Lua's own run
// in C, where no limit holds, and some patterns take longer than anybody waits on a long text.
void open_lua_patterns(lua_State* state, LuaCharge charge);

}  // namespace proxy
