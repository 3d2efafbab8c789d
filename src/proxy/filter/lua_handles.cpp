// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <new>

#include "base/log.h"
#include "base/strings.h"
#include "http/syntax.h"
#include "proxy/filter/lua_machine.h"
#include "proxy/stream/stream.h"

// What scripts hold in their hands: thin userdata that look their message up
// each time, so that one which outlives its call finds nothing.
namespace proxy {
namespace {

using Scope = std::shared_ptr<LuaScope>;
using Wait = LuaScope::Wait;

constexpr const char* kHandle = "seine.handle";
constexpr const char* kHeaders = "seine.headers";
constexpr const char* kTrailers = "seine.trailers";
constexpr const char* kBody = "seine.body";
constexpr const char* kInfo = "seine.stream_info";
constexpr const char* kDynamic = "seine.dynamic_metadata";
constexpr const char* kMetadata = "seine.metadata";
constexpr const char* kContext = "seine.context";
constexpr const char* kConnection = "seine.connection";
constexpr const char* kSsl = "seine.ssl";

void push(lua_State* L, const Scope& scope, const char* type) {
  new (lua_newuserdatauv(L, sizeof(Scope), 0)) Scope(scope);
  luaL_setmetatable(L, type);
}
int collect(lua_State* L) {
  static_cast<Scope*>(lua_touserdata(L, 1))->~Scope();
  return 0;
}
const Scope& scope_of(lua_State* L, const char* type) {
  const auto& scope = *static_cast<const Scope*>(luaL_checkudata(L, 1, type));
  if (!scope->stream) luaL_error(L, "object used outside of proper scope");
  return scope;
}
std::string_view text(lua_State* L, int at) {
  size_t size = 0;
  const char* data = luaL_checklstring(L, at, &size);
  return {data, size};
}
int answer(lua_State* L, std::string_view value) {
  lua_pushlstring(L, value.data(), value.size());
  return 1;
}

// --- JSON and Lua values -------------------------------------------------

constexpr int kDeep = 16;

void push_json(lua_State* L, const base::Json& value, int depth = 0) {
  luaL_checkstack(L, 4, nullptr);
  if (depth > kDeep) return lua_pushnil(L);
  if (value.is_string()) {
    answer(L, value.get_ref<const std::string&>());
  } else if (value.is_boolean()) {
    lua_pushboolean(L, value.get<bool>());
  } else if (value.is_number()) {
    lua_pushnumber(L, value.get<double>());
  } else if (value.is_object()) {
    lua_newtable(L);
    for (const auto& [key, part] : value.items()) {
      answer(L, key);
      push_json(L, part, depth + 1);
      lua_rawset(L, -3);
    }
  } else if (value.is_array()) {
    lua_newtable(L);
    for (size_t i = 0; i < value.size(); ++i) {
      push_json(L, value[i], depth + 1);
      lua_rawseti(L, -2, static_cast<lua_Integer>(i + 1));
    }
  } else {
    lua_pushnil(L);
  }
}

// What is handed out lies outside of the memory that scripts may use.
void hand_out(lua_State* L, LuaScope& scope, size_t bytes) {
  constexpr size_t kMost = 1u << 20;
  scope.handed_out += bytes;
  if (scope.handed_out > kMost) luaL_error(L, "a script may make 1 MiB of headers and metadata, not more");
}

base::Json json_at(lua_State* L, LuaScope& scope, int at, int depth = 0) {
  if (depth > kDeep) luaL_error(L, "the table is too deep");
  luaL_checkstack(L, 4, nullptr);
  at = lua_absindex(L, at);
  hand_out(L, scope, lua_type(L, at) == LUA_TSTRING ? text(L, at).size() : sizeof(base::Json));
  switch (lua_type(L, at)) {
    case LUA_TBOOLEAN:
      return lua_toboolean(L, at) != 0;
    case LUA_TNUMBER:
      return lua_tonumber(L, at);
    case LUA_TSTRING:
      return std::string(text(L, at));
    case LUA_TTABLE:
      break;
    case LUA_TNIL:
      return nullptr;
    default:
      luaL_error(L, "unexpected type '%s' in dynamicMetadata", luaL_typename(L, at));
  }
  auto size = static_cast<lua_Integer>(lua_rawlen(L, at));
  base::Json out = size ? base::Json::array() : base::Json::object();
  if (size) {
    for (lua_Integer i = 1; i <= size; ++i) {
      lua_rawgeti(L, at, i);
      out.push_back(json_at(L, scope, -1, depth + 1));
      lua_pop(L, 1);
    }
    return out;
  }
  lua_pushnil(L);
  while (lua_next(L, at)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "keys must be strings");
    hand_out(L, scope, text(L, -2).size());
    out[std::string(text(L, -2))] = json_at(L, scope, -1, depth + 1);
    lua_pop(L, 1);
  }
  return out;
}

// An iterator over a snapshot: pairs that lie in a table one after the other.
int next_pair(lua_State* L) {
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(2));
  lua_pushinteger(L, at + 2);
  lua_replace(L, lua_upvalueindex(2));
  if (lua_rawgeti(L, lua_upvalueindex(1), at) == LUA_TNIL) return 1;
  lua_rawgeti(L, lua_upvalueindex(1), at + 1);
  return 2;
}
int iterate_snapshot(lua_State* L) {  // the table is on top
  lua_pushinteger(L, 1);
  lua_pushcclosure(L, &next_pair, 2);
  return 1;
}

// --- headers and trailers ------------------------------------------------

std::string* pseudo(LuaScope& scope, std::string_view name) {
  http::RequestHead& request = scope.stream->request;
  if (scope.response) return nullptr;
  if (name == ":path") return &request.path;
  if (name == ":method") return &request.method;
  if (name == ":authority" || name == "host") return &request.authority;
  if (name == ":scheme") return &request.scheme;
  return nullptr;
}
http::Headers& fields(LuaScope& scope) {
  Stream& stream = *scope.stream;
  return scope.response ? stream.response.headers : stream.request.headers;
}
void check_open(lua_State* L, const LuaScope& scope) {
  if (!scope.head_open) luaL_error(L, "header map can no longer be modified");
}
// What a header may be made of; all else would end the line or the protocol.
void check_field(lua_State* L, std::string_view name, std::string_view value) {
  bool bad =
      name.empty() || std::any_of(name.begin(), name.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
  bad |= std::any_of(value.begin(), value.end(), [](unsigned char c) { return c == '\r' || c == '\n' || c == '\0'; });
  if (bad) luaL_error(L, "a header's name or value has characters that do not belong there");
}

int headers_get(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHeaders);
  std::string name = base::to_lower(text(L, 2));
  if (const std::string* special = pseudo(scope, name)) return answer(L, *special);
  if (scope.response && name == ":status") return answer(L, std::to_string(scope.stream->response.status));
  if (!fields(scope).contains(name)) return 0;
  return answer(L, fields(scope).joined(name));
}
int headers_at(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHeaders);
  std::string name = base::to_lower(text(L, 2));
  lua_Integer wanted = luaL_checkinteger(L, 3);
  if (const std::string* special = pseudo(scope, name)) return wanted == 0 ? answer(L, *special) : 0;
  for (auto field : fields(scope))
    if (field.name == name && wanted-- == 0) return answer(L, field.value);
  return 0;
}
int headers_count(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHeaders);
  std::string name = base::to_lower(text(L, 2));
  lua_pushinteger(L, pseudo(scope, name) ? 1 : static_cast<lua_Integer>(fields(scope).count(name)));
  return 1;
}
int headers_write(lua_State* L, bool replace) {
  LuaScope& scope = *scope_of(L, kHeaders);
  check_open(L, scope);
  std::string name = base::to_lower(text(L, 2));
  std::string_view value = text(L, 3);
  check_field(L, name, value);
  hand_out(L, scope, name.size() + value.size());
  if (name == ":method" && !scope.response && !http::syntax::valid_token(value))
    luaL_error(L, ":method must be a token");
  if (std::string* special = pseudo(scope, name)) {
    special->assign(value);
  } else if (scope.response && name == ":status") {
    int status = base::parse_number<int>(value).value_or(0);
    if (status < 200 || status > 599) luaL_error(L, ":status must be between 200 and 599");
    scope.stream->response.status = status;
  } else if (name.starts_with(':')) {
    luaL_error(L, "there is no such header");
  } else if (replace) {
    fields(scope).set(name, value);
  } else {
    fields(scope).add(name, value);
  }
  return 0;
}
int headers_add(lua_State* L) { return headers_write(L, false); }
int headers_replace(lua_State* L) { return headers_write(L, true); }
int headers_remove(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHeaders);
  check_open(L, scope);
  std::string name = base::to_lower(text(L, 2));
  if (pseudo(scope, name) || name.starts_with(':')) luaL_error(L, "header %s cannot be removed", name.c_str());
  fields(scope).remove(name);
  return 0;
}
int headers_pairs(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHeaders);
  lua_newtable(L);
  lua_Integer at = 0;
  auto put = [&](std::string_view name, std::string_view value) {
    answer(L, name);
    lua_rawseti(L, -2, ++at);
    answer(L, value);
    lua_rawseti(L, -2, ++at);
  };
  if (scope.response) {
    put(":status", std::to_string(scope.stream->response.status));
  } else {
    for (std::string_view name : {":authority", ":path", ":method", ":scheme"}) put(name, *pseudo(scope, name));
  }
  for (auto field : fields(scope)) put(field.name, field.value);
  return iterate_snapshot(L);
}

http::Headers& trailers_of(lua_State* L) {
  LuaScope& scope = *scope_of(L, kTrailers);
  if (!scope.trailers) luaL_error(L, "object used outside of proper scope");
  return *scope.trailers;
}
int trailers_get(lua_State* L) {
  http::Headers& trailers = trailers_of(L);
  std::string name = base::to_lower(text(L, 2));
  return trailers.contains(name) ? answer(L, trailers.joined(name)) : 0;
}
int trailers_write(lua_State* L, bool replace) {
  http::Headers& trailers = trailers_of(L);
  std::string name = base::to_lower(text(L, 2));
  check_field(L, name, text(L, 3));
  if (name.starts_with(':')) luaL_error(L, "there are no such trailers");
  hand_out(L, *scope_of(L, kTrailers), name.size() + text(L, 3).size());
  if (replace)
    trailers.set(name, text(L, 3));
  else
    trailers.add(name, text(L, 3));
  return 0;
}
int trailers_add(lua_State* L) { return trailers_write(L, false); }
int trailers_replace(lua_State* L) { return trailers_write(L, true); }
int trailers_remove(lua_State* L) {
  trailers_of(L).remove(base::to_lower(text(L, 2)));
  return 0;
}
int trailers_pairs(lua_State* L) {
  http::Headers& trailers = trailers_of(L);
  lua_newtable(L);
  lua_Integer at = 0;
  for (auto field : trailers) {
    answer(L, field.name);
    lua_rawseti(L, -2, ++at);
    answer(L, field.value);
    lua_rawseti(L, -2, ++at);
  }
  return iterate_snapshot(L);
}

// --- bodies ---------------------------------------------------------------

net::Buffer& body_of(lua_State* L) {
  LuaScope& scope = *scope_of(L, kBody);
  if (!scope.body) luaL_error(L, "object used outside of proper scope");
  return *scope.body;
}
int body_length(lua_State* L) {
  lua_pushinteger(L, static_cast<lua_Integer>(body_of(L).size()));
  return 1;
}
int body_get(lua_State* L) {
  net::Buffer& body = body_of(L);
  lua_Integer at = luaL_checkinteger(L, 2), size = luaL_checkinteger(L, 3);
  auto all = static_cast<lua_Integer>(body.size());
  if (at < 0 || size < 0 || at > all || size > all - at)
    luaL_error(L, "index/length must be >= 0 and (index + length) must be <= buffer size");
  return answer(L, body.view().substr(static_cast<size_t>(at), static_cast<size_t>(size)));
}
int body_set(lua_State* L) {
  LuaScope& scope = *scope_of(L, kBody);
  net::Buffer& body = body_of(L);
  std::string_view bytes = text(L, 2);
  body.clear();
  body.append(bytes);
  if (scope.whole_body && scope.head_open) {
    if (scope.response)
      scope.stream->set_response_length(bytes.size());
    else
      scope.stream->set_request_length(bytes.size());
  }
  lua_pushinteger(L, static_cast<lua_Integer>(bytes.size()));
  return 1;
}

// --- stream info, metadata, connection -------------------------------------

int info_protocol(lua_State* L) { return answer(L, telemetry::name(scope_of(L, kInfo)->stream->record.protocol)); }
int info_route(lua_State* L) {
  const Route* route = scope_of(L, kInfo)->stream->route();
  return answer(L, route ? std::string_view(route->name) : std::string_view());
}
int info_local(lua_State* L) { return answer(L, scope_of(L, kInfo)->stream->origin().local_text); }
int info_direct(lua_State* L) { return answer(L, scope_of(L, kInfo)->stream->origin().remote_text); }
int info_remote(lua_State* L) {
  Stream& stream = *scope_of(L, kInfo)->stream;
  return answer(L, stream.client_address().ip() == stream.origin().remote.ip() ? stream.origin().remote_text
                                                                               : stream.client_address().text());
}
int info_sni(lua_State* L) { return answer(L, scope_of(L, kInfo)->stream->record.server_name); }
int info_dynamic(lua_State* L) {
  push(L, scope_of(L, kInfo), kDynamic);
  return 1;
}
int info_ssl(lua_State* L) {
  const Scope& scope = scope_of(L, kInfo);
  if (!scope->stream->origin().tls) return 0;
  push(L, scope, kSsl);
  return 1;
}

int dynamic_get(lua_State* L) {
  const base::Json* space = scope_of(L, kDynamic)->stream->metadata.find(text(L, 2), {});
  if (!space) return 0;
  push_json(L, *space);
  return 1;
}
int dynamic_set(lua_State* L) {
  LuaScope& scope = *scope_of(L, kDynamic);
  Stream& stream = *scope.stream;
  std::string key(text(L, 3));
  hand_out(L, scope, key.size() + text(L, 2).size());
  base::Json value = json_at(L, scope, 4);
  stream.metadata.space(text(L, 2))[key] = std::move(value);
  return 0;
}

const base::Json* object_of(lua_State* L, const char* type) {
  const LuaScope& scope = *scope_of(L, type);
  return type == kContext ? scope.context : scope.metadata;
}
int object_get(lua_State* L, const char* type) {
  const base::Json* object = object_of(L, type);
  std::string key(text(L, 2));
  if (!object || !object->is_object() || !object->contains(key)) return 0;
  push_json(L, (*object)[key]);
  return 1;
}
int object_pairs(lua_State* L, const char* type) {
  const base::Json* object = object_of(L, type);
  lua_newtable(L);
  lua_Integer at = 0;
  if (object && object->is_object())
    for (const auto& [key, value] : object->items()) {
      answer(L, key);
      lua_rawseti(L, -2, ++at);
      push_json(L, value);
      lua_rawseti(L, -2, ++at);
    }
  return iterate_snapshot(L);
}
int metadata_get(lua_State* L) { return object_get(L, kMetadata); }
int metadata_pairs(lua_State* L) { return object_pairs(L, kMetadata); }
int context_get(lua_State* L) { return object_get(L, kContext); }
int context_pairs(lua_State* L) { return object_pairs(L, kContext); }

int connection_ssl(lua_State* L) {
  const Scope& scope = scope_of(L, kConnection);
  if (!scope->stream->origin().tls) return 0;
  push(L, scope, kSsl);
  return 1;
}
int ssl_presented(lua_State* L) {
  lua_pushboolean(L, scope_of(L, kSsl)->stream->origin().mutual_tls);
  return 1;
}
int ssl_validated(lua_State* L) {
  const net::TlsPeer* peer = scope_of(L, kSsl)->stream->origin().tls;
  lua_pushboolean(L, peer && peer->validated);
  return 1;
}
int ssl_subject(lua_State* L) { return answer(L, scope_of(L, kSsl)->stream->origin().subject); }
int ssl_digest(lua_State* L) { return answer(L, scope_of(L, kSsl)->stream->origin().certificate_hash); }
int ssl_uris(lua_State* L) {
  const Origin& origin = scope_of(L, kSsl)->stream->origin();
  lua_newtable(L);
  lua_Integer at = 0;
  for (const std::string& name : origin.tls->uri_names) {
    answer(L, name);
    lua_rawseti(L, -2, ++at);
  }
  return 1;
}

// --- the handle itself -----------------------------------------------------

int handle_headers(lua_State* L) {
  push(L, scope_of(L, kHandle), kHeaders);
  return 1;
}
int handle_body(lua_State* L) {
  const Scope& scope = scope_of(L, kHandle);
  if (scope->body && scope->whole_body) {
    push(L, scope, kBody);
    return 1;
  }
  if (scope->response ? scope->stream->response_bodyless() : scope->stream->request_bodyless()) return 0;
  if (!scope->head_open) luaL_error(L, "cannot call body() after body has been streamed");
  scope->wait = Wait::Body;
  return lua_yield(L, 0);
}
int next_chunk(lua_State* L) {
  LuaScope& scope = **static_cast<const Scope*>(lua_touserdata(L, lua_upvalueindex(1)));
  if (!scope.stream) luaL_error(L, "object used outside of proper scope");
  if (scope.wait == Wait::Never) return 0;
  if (scope.response ? scope.stream->response_bodyless() : scope.stream->request_bodyless()) return 0;
  scope.wait = Wait::Chunk;
  return lua_yield(L, 0);
}
int handle_chunks(lua_State* L) {
  push(L, scope_of(L, kHandle), kHandle);
  lua_pushcclosure(L, &next_chunk, 1);
  return 1;
}
int handle_trailers(lua_State* L) {
  const Scope& scope = scope_of(L, kHandle);
  if (scope->trailers) {
    push(L, scope, kTrailers);
    return 1;
  }
  if (scope->response ? scope->stream->response_bodyless() : scope->stream->request_bodyless()) return 0;
  scope->wait = Wait::Trailers;
  return lua_yield(L, 0);
}
// The table of headers at `at`: each name with its value, or its values in order.
template <typename Add>
void each_header(lua_State* L, int at, Add add) {
  luaL_checktype(L, at, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, at)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "a header's name must be a string");
    std::string name = base::to_lower(text(L, -2));
    if (lua_istable(L, -1)) {
      auto size = static_cast<lua_Integer>(lua_rawlen(L, -1));
      for (lua_Integer i = 1; i <= size; ++i) {
        lua_rawgeti(L, -1, i);
        add(name, text(L, -1));
        lua_pop(L, 1);
      }
    } else {
      lua_pushvalue(L, -1);  // a number stays one while the table is walked
      add(name, text(L, -1));
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
}

int handle_respond(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHandle);
  if (scope.response) luaL_error(L, "respond not currently supported in the response path");
  Reply reply{.status = 0, .details = "lua_response"};
  each_header(L, 2, [&](const std::string& name, std::string_view value) {
    check_field(L, name, value);
    if (name == ":status")
      reply.status = base::parse_number<int>(value).value_or(0);
    else if (!name.starts_with(':') && name != "content-length")
      reply.headers.add(name, value);
  });
  if (reply.status < 200 || reply.status > 599) luaL_error(L, ":status must be between 200-599");
  if (!lua_isnoneornil(L, 3)) reply.body = text(L, 3);
  scope.reply = std::move(reply);
  scope.wait = Wait::Never;
  return lua_yield(L, 0);
}

int handle_call(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHandle);
  LuaScope::Call call{.cluster = std::string(text(L, 2))};
  const auto& names = scope.stream->worker().config().cluster_names;
  if (!names || names->find(call.cluster) == names->end())
    luaL_error(L, "http call cluster invalid. Must be configured");
  http::Request& request = call.request;
  request.method.clear();
  request.path.clear();
  each_header(L, 3, [&](const std::string& name, std::string_view value) {
    check_field(L, name, value);
    if (name == ":method")
      request.method = value;
    else if (name == ":path")
      request.path = value;
    else if (name == ":authority" || name == "host")
      request.authority = value;
    else if (name == ":scheme")
      request.scheme = value;
    else if (!name.starts_with(':') && name != "content-length")
      request.headers.add(name, value);
  });
  if (request.method.empty() || request.path.empty() || request.authority.empty())
    luaL_error(L, "http call headers must include ':path', ':method', and ':authority'");
  if (!lua_isnoneornil(L, 4)) request.body = text(L, 4);
  lua_Integer timeout = luaL_optinteger(L, 5, 0);
  if (timeout < 0) luaL_error(L, "http call timeout must be >= 0");
  if (lua_toboolean(L, 6)) luaL_error(L, "asynchronous httpCall is not known");
  call.timeout = std::chrono::milliseconds(timeout);
  scope.call = std::move(call);
  scope.wait = Wait::Call;
  return lua_yield(L, 0);
}

int handle_metadata(lua_State* L) {
  push(L, scope_of(L, kHandle), kMetadata);
  return 1;
}
int handle_context(lua_State* L) {
  push(L, scope_of(L, kHandle), kContext);
  return 1;
}
int handle_info(lua_State* L) {
  push(L, scope_of(L, kHandle), kInfo);
  return 1;
}
int handle_connection(lua_State* L) {
  push(L, scope_of(L, kHandle), kConnection);
  return 1;
}
int handle_clear_route(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHandle);
  if (scope.response) luaL_error(L, "clearRouteCache is for requests");
  scope.stream->clear_route_cache();
  return 0;
}
int handle_override(lua_State* L) {
  LuaScope& scope = *scope_of(L, kHandle);
  if (scope.response) luaL_error(L, "setUpstreamOverrideHost is for requests");
  auto address = net::Address::parse_host_port(text(L, 2));
  if (!address) luaL_error(L, "host is not a valid IP address and port");
  scope.stream->prefer_host(*address, lua_toboolean(L, 3));
  return 0;
}
int handle_base64(lua_State* L) { return answer(L, base::to_base64(text(L, 2))); }
int handle_timestamp(lua_State* L) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  bool micro = luaL_optinteger(L, 2, 0) == 1;
  lua_pushnumber(L, static_cast<double>(micro ? std::chrono::duration_cast<std::chrono::microseconds>(now).count()
                                              : std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  return 1;
}

template <int Level>
int handle_log(lua_State* L) {
  scope_of(L, kHandle);
  std::string line = "script log: " + base::printable(text(L, 2));
  if constexpr (Level == 0)
    base::log::debug("{}", line);
  else if constexpr (Level == 1)
    base::log::info("{}", line);
  else if constexpr (Level == 2)
    base::log::warn("{}", line);
  else
    base::log::error("{}", line);
  return 0;
}

void type(lua_State* L, const char* name, std::initializer_list<luaL_Reg> methods, lua_CFunction pairs = nullptr) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, &collect);
  lua_setfield(L, -2, "__gc");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  if (pairs) {
    lua_pushcfunction(L, pairs);
    lua_setfield(L, -2, "__pairs");
  }
  lua_newtable(L);
  for (const luaL_Reg& method : methods) {
    lua_pushcfunction(L, method.func);
    lua_setfield(L, -2, method.name);
  }
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

}  // namespace

void open_lua_handles(lua_State* L) {
  type(L, kHandle,
       {{"headers", handle_headers},
        {"body", handle_body},
        {"bodyChunks", handle_chunks},
        {"trailers", handle_trailers},
        {"respond", handle_respond},
        {"httpCall", handle_call},
        {"metadata", handle_metadata},
        {"filterContext", handle_context},
        {"streamInfo", handle_info},
        {"connection", handle_connection},
        {"clearRouteCache", handle_clear_route},
        {"setUpstreamOverrideHost", handle_override},
        {"base64Escape", handle_base64},
        {"timestamp", handle_timestamp},
        {"logTrace", handle_log<0>},
        {"logDebug", handle_log<0>},
        {"logInfo", handle_log<1>},
        {"logWarn", handle_log<2>},
        {"logErr", handle_log<3>},
        {"logCritical", handle_log<3>}});
  type(L, kHeaders,
       {{"get", headers_get},
        {"getAtIndex", headers_at},
        {"getNumValues", headers_count},
        {"add", headers_add},
        {"replace", headers_replace},
        {"remove", headers_remove}},
       headers_pairs);
  type(L, kTrailers,
       {{"get", trailers_get}, {"add", trailers_add}, {"replace", trailers_replace}, {"remove", trailers_remove}},
       trailers_pairs);
  type(L, kBody, {{"length", body_length}, {"getBytes", body_get}, {"setBytes", body_set}});
  type(L, kInfo,
       {{"protocol", info_protocol},
        {"routeName", info_route},
        {"downstreamLocalAddress", info_local},
        {"downstreamDirectRemoteAddress", info_direct},
        {"downstreamRemoteAddress", info_remote},
        {"requestedServerName", info_sni},
        {"dynamicMetadata", info_dynamic},
        {"downstreamSslConnection", info_ssl}});
  type(L, kDynamic, {{"get", dynamic_get}, {"set", dynamic_set}});
  type(L, kMetadata, {{"get", metadata_get}}, metadata_pairs);
  type(L, kContext, {{"get", context_get}}, context_pairs);
  type(L, kConnection, {{"ssl", connection_ssl}});
  type(L, kSsl,
       {{"peerCertificatePresented", ssl_presented},
        {"peerCertificateValidated", ssl_validated},
        {"subjectPeerCertificate", ssl_subject},
        {"sha256PeerCertificateDigest", ssl_digest},
        {"uriSanPeerCertificate", ssl_uris}});
  lua_newtable(L);
  lua_pushinteger(L, 0);
  lua_setfield(L, -2, "MILLISECOND");
  lua_pushinteger(L, 1);
  lua_setfield(L, -2, "MICROSECOND");
  lua_setglobal(L, "EnvoyTimestampResolution");
}

void push_lua_handle(lua_State* L, const Scope& scope) { push(L, scope, kHandle); }
void push_lua_body(lua_State* L, const Scope& scope) { push(L, scope, kBody); }
void push_lua_trailers(lua_State* L, const Scope& scope) { push(L, scope, kTrailers); }

void push_lua_answer(lua_State* L, const SideAnswer& from) {
  lua_newtable(L);
  answer(L, std::to_string(from.status));
  lua_setfield(L, -2, ":status");
  for (auto field : from.headers) {
    answer(L, field.name);
    answer(L, from.headers.joined(field.name));
    lua_rawset(L, -3);
  }
  if (from.body.empty())
    lua_pushnil(L);
  else
    answer(L, from.body);
}

}  // namespace proxy
