// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/http/lua/v3/lua.pb.h"
#include "proxy/filter/lua.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::lua::v3;
using google::protobuf::Any;

base::Result<std::shared_ptr<Filter>> lua_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack<v3::Lua>(any));
  std::shared_ptr<const LuaScript> usual;
  if (!from.inline_code().empty() && from.has_default_source_code())
    return base::fail(base::ErrorKind::Invalid,
                      "Error: Only one of `inline_code` or `default_source_code` can be set for the Lua filter.");
  if (from.has_default_source_code())
    usual = TRY(LuaScript::make(TRY(compile(from.default_source_code()))));
  else if (!from.inline_code().empty())
    usual = TRY(LuaScript::make(from.inline_code()));
  base::StringMap<std::shared_ptr<const LuaScript>> named;
  for (const auto& [name, source] : from.source_codes())
    named.emplace(name, TRY(LuaScript::make(TRY(compile(source)))));
  bool clear_routes = !from.has_clear_route_cache() || from.clear_route_cache().value();
  return std::make_shared<LuaFilter>(std::move(usual), std::move(named), clear_routes,
                                     compiler.slots.worker_state("lua"));
}

base::Result<std::shared_ptr<const FilterPolicy>> lua_policy(const Compiler&, const Any& any) {
  auto from = TRY(unpack<v3::LuaPerRoute>(any));
  auto out = std::make_shared<LuaPolicy>();
  out->off = from.disabled();
  out->name = from.name();
  if (from.has_source_code()) out->script = TRY(LuaScript::make(TRY(compile(from.source_code()))));
  if (from.has_filter_context()) out->context = json_of(from.filter_context());
  return out;
}

}  // namespace

const FilterKind kLuaFilter{"envoy.extensions.filters.http.lua.v3.Lua", lua_filter,
                            "envoy.extensions.filters.http.lua.v3.LuaPerRoute", lua_policy};

}  // namespace proxy
