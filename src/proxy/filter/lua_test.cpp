// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/lua_machine.h"
#include "proxy/runtime/harness.h"

namespace proxy {
namespace {

using namespace proxy::testing;

TEST(LuaScripts, AreCheckedWhenTheyAreCompiled) {
  EXPECT_TRUE(LuaScript::make("function envoy_on_request(h) end"));
  auto broken = LuaScript::make("function envoy_on_request(h");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("script load error"), std::string::npos) << broken.error().message;
  EXPECT_FALSE(LuaScript::make("error('at once')"));
}

TEST(LuaScripts, EndlessOnesAndGreedyOnesEnd) {
  EXPECT_FALSE(LuaScript::make("while true do end"));
  EXPECT_FALSE(LuaScript::make("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end"));
}

TEST(LuaScripts, WhatRunsTooLongCannotGoOnByCatchingThat) {
  for (const char* code :
       {"while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(pcall, function() while true do end end) end",
        "local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end"}) {
    auto made = LuaScript::make(code);
    ASSERT_FALSE(made) << code;
    EXPECT_NE(made.error().message.find("runs too long"), std::string::npos) << made.error().message;
  }
  EXPECT_TRUE(LuaScript::make("local ok, why = pcall(error, 'x') assert(not ok and why == 'x')"));
  EXPECT_TRUE(LuaScript::make(
      "local ok, why = xpcall(error, function(e) return e .. '!' end, 'x') assert(not ok and why == 'x!')"));
  EXPECT_TRUE(LuaScript::make(
      "local ok, a, b = xpcall(function(...) return ... end, error, 1, 2) assert(ok and a == 1 and b == 2)"));
}

TEST(LuaScripts, WhatCostsMoreThanItCountsEnds) {
  for (const char* code :
       {"pcall(table.move, {}, '1', '9000000000000000000', 1)",
        "local n = 0 local l = setmetatable({}, {__len = function() n = n + 1 return n == 1 and 1 or 1 << 60 end, "
        "__index = rawlen, __newindex = rawlen}) table.insert(l, 1, 5)",
        "while true do coroutine.wrap(function() for j = 1, 400 do end end)() end",
        "while true do local s = string.rep('x', 20000000) end",
        "local t = {} while true do select('#', table.unpack(t, 1, 200000)) end",
        "local t = {} for i = 1, 1e6 do t[i] = i end for i = 1, 1e6 do t[i] = nil end while true do next(t) end",
        "local s = '--' .. string.rep('x', 10000000) while true do load(s) end",
        "local s = string.rep('a', 20000000) while true do s:find('b', 1, true) end",
        "local a, b = ('a'):rep(9e6) .. 1, ('a'):rep(9e6) .. 2 while a ~= b do end"})
    EXPECT_FALSE(LuaScript::make(code)) << code;
  EXPECT_TRUE(LuaScript::make(
      "assert(select('#', table.unpack({1, 2, 3})) == 3 and ('abc'):byte(2) == 98 and unpack({5}) == 5)"));
}

TEST(LuaScripts, WorkInCIsCountedToo) {
  for (const char* code : {"local s = ('a'):rep(60000) s:find('.-.-.-.-b')", "('a'):rep(60000):gsub('.-.-.-.-b', '')",
                           "for a in ('a'):rep(60000):gmatch('.-.-.-.-b') do end", "table.move({}, 1, 1e9, 2)",
                           "(''):rep(math.maxinteger)"}) {
    auto made = LuaScript::make(code);
    ASSERT_FALSE(made) << code;
    EXPECT_NE(made.error().message.find("runs too long"), std::string::npos) << made.error().message;
  }
}

TEST(LuaScripts, PatternsAndTablesAreLuas) {
  auto made = LuaScript::make(R"lua(
    assert(("session=abc; x=1"):match("session=([^;]+)") == "abc")
    local a, b, c = ("key = value"):find("^(%w+)%s*=%s*%w+$") assert(a == 1 and b == 11 and c == "key")
    assert(("THE (quick) fox"):find("%((%a+)%)") == 5)
    assert(("a.b"):find(".", 1, true) == 2 and ("abc"):find("b", -1) == nil and ("abc"):find("", 10) == nil)
    assert(("hello world"):gsub("o", "0", 1) == "hell0 world")
    assert(("abc"):gsub("%w", "%0%0") == "aabbcc" and ("abc"):gsub("", "-") == "-a-b-c-")
    assert(("$name is $x"):gsub("%$(%w+)", {name = "lua"}) == "lua is $x")
    assert(("x=1, y=2"):gsub("(%w+)=(%w+)", function(k, v) return v .. "=" .. k end) == "1=x, 2=y")
    local t = {} for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do t[k] = v end assert(t.a == "1" and t.b == "2")
    assert(("f(a(b)c)d"):match("%b()") == "(a(b)c)" and ("THE x"):match("%f[%l]%l+") == "x")
    assert(("aa"):match("(a)%1") == "a" and ("abc"):match("()b()") == 2 and ("[x]"):match("[]x]+") == "x]")
    assert(not pcall(string.find, "a", "[a") and not pcall(string.find, "a", "%") and not pcall(string.gsub, "a", "a", "%2"))
    local l = {3, 1, 2} table.sort(l) table.insert(l, 4) table.insert(l, 1, 0) assert(table.concat(l, ",") == "0,1,2,3,4")
    assert(table.remove(l) == 4 and table.remove(l, 1) == 0 and #table.move(l, 1, 3, 2) == 4 and ("ab"):rep(2, "-") == "ab-ab"))lua");
  EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
}

TEST(LuaScripts, NothingRunsWhileValuesAreCollected) {
  auto made = LuaScript::make("setmetatable({}, {__gc = function() end})");
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("__gc"), std::string::npos);
  EXPECT_TRUE(LuaScript::make("local t = setmetatable({}, {__index = {a = 1}}) assert(t.a == 1)"));
}

TEST(LuaScripts, ReachNeitherFilesNorProcessesNorBytecode) {
  for (const char* code :
       {"io.open('/etc/passwd')", "os.execute('true')", "require('os')", "dofile('/etc/passwd')",
        "package.loadlib('x', 'y')", "string.dump(function() end)", "assert(load('\\27Lua'))", "debug.getregistry()"})
    EXPECT_FALSE(LuaScript::make(code)) << code;
}

class LuaOnSockets : public ::testing::Test {
 protected:
  std::unique_ptr<Proxy> with(const std::string& script, const std::string& routes = "") {
    std::string code;
    for (char c : script)
      code += c == '\n' ? std::string("\\n") : c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    return std::make_unique<Proxy>(
        loop_,
        bootstrap_of(
            routes + "              - {name: main, match: {prefix: /}, route: {cluster: backend}, metadata: "
                     "{filter_metadata: {envoy.filters.http.lua: {colour: red}}}}\n",
            cluster_of("backend", "@backend"), "",
            "{name: mine, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, "
            "default_source_code: {inline_string: \"" +
                code + "\"}}}\n"),
        backend_.port());
  }
  http::Response post(Proxy& proxy, std::string body, http::Version version = http::Version::Http1) {
    http::Request request;
    request.method = "POST";
    request.path = "/p";
    request.body = std::move(body);
    return fetch(loop_, proxy.port(), std::move(request), version);
  }
  net::Loop loop_;
  Backend backend_{loop_};
};

TEST_F(LuaOnSockets, StrictGlobalsHarmNobody) {
  auto proxy = with(R"(
    setmetatable(_G, {__index = function(t, k) error("undefined " .. k) end})
    function envoy_on_request(handle) handle:headers():add("seen", "yes") end)");
  EXPECT_EQ(get(loop_, proxy->port(), "/").status, 200);
  EXPECT_EQ(get(loop_, proxy->port(), "/").status, 200);
}

TEST_F(LuaOnSockets, WhatAScriptHandsOutIsBounded) {
  for (const char* gives :
       {"h:headers():add('x-' .. i, v)", "h:streamInfo():dynamicMetadata():set('f', 'k' .. i, {v, v})"}) {
    auto proxy = with(std::string(R"(
      function envoy_on_request(h)
        local v, made = string.rep('a', 100000), 0
        for i = 1, 100 do if pcall(function() )") +
                      gives + R"( end) then made = made + 1 end end
        h:respond({[":status"] = "200"}, made)
      end)");
    const std::string made = get(loop_, proxy->port(), "/").body;
    EXPECT_TRUE(made == "10" || made == "5") << made;
  }
}

TEST_F(LuaOnSockets, HeadersAreReadAndWrittenBothWays) {
  auto proxy = with(R"(
    function envoy_on_request(handle)
      local n = 0
      for name, value in pairs(handle:headers()) do n = n + 1 end
      handle:headers():add("x-path", handle:headers():get(":path"))
      handle:headers():add("x-some", n > 4 and "some" or "few")
      handle:headers():replace("x-twice", "2")
      handle:headers():remove("x-request-id")
      handle:headers():add("x-colour", handle:metadata():get("colour"))
      handle:headers():add("x-route", handle:streamInfo():routeName())
      handle:streamInfo():dynamicMetadata():set("mine", "deep", {a = {1, 2}})
      handle:logInfo("seen")
    end
    function envoy_on_response(handle)
      handle:headers():add("x-deep", tostring(handle:streamInfo():dynamicMetadata():get("mine").deep.a[2]))
      handle:headers():replace(":status", "203")
    end)");
  auto response = get(loop_, proxy->port(), "/a?b");
  EXPECT_EQ(response.status, 203);
  EXPECT_EQ(response.headers.get("echo-x-path"), "/a?b");
  EXPECT_EQ(response.headers.get("echo-x-some"), "some");
  EXPECT_EQ(response.headers.get("echo-x-twice"), "2");
  EXPECT_FALSE(response.headers.contains("echo-x-request-id"));
  EXPECT_EQ(response.headers.get("echo-x-colour"), "red");
  EXPECT_EQ(response.headers.get("echo-x-route"), "main");
  EXPECT_EQ(response.headers.get("x-deep"), "2.0");
}

TEST_F(LuaOnSockets, MetadataIsFoundUnderTheFiltersOwnNameFirst) {
  auto proxy = with("function envoy_on_request(h) h:headers():add('x-colour', h:metadata():get('colour')) end",
                    "              - {match: {prefix: /own}, route: {cluster: backend}, metadata: {filter_metadata: "
                    "{mine: {colour: blue}, envoy.filters.http.lua: {colour: red}}}}\n");
  EXPECT_EQ(get(loop_, proxy->port(), "/own").headers.get("echo-x-colour"), "blue");
  EXPECT_EQ(get(loop_, proxy->port(), "/").headers.get("echo-x-colour"), "red");
}

TEST_F(LuaOnSockets, WholeBodiesAreReadAndReplaced) {
  auto proxy = with(R"(
    function envoy_on_request(handle)
      local body = handle:body()
      if body == nil then return end
      handle:headers():add("x-length", body:length())
      body:setBytes(body:getBytes(0, 3) .. "!")
    end
    function envoy_on_response(handle)
      local body = handle:body()
      handle:headers():add("x-was", body:length())
      body:setBytes("<" .. body:getBytes(0, body:length()) .. ">")
    end)");
  for (auto version : {http::Version::Http1, http::Version::Http2}) {
    auto response = post(*proxy, bytes(100'000), version);
    EXPECT_EQ(response.headers.get("echo-x-length"), "100000");
    EXPECT_TRUE(response.body.starts_with("<POST /p") && response.body.ends_with("body=4>")) << response.body;
    EXPECT_EQ(response.headers.get("x-was"), std::to_string(response.body.size() - 2));
  }
  EXPECT_TRUE(get(loop_, proxy->port(), "/x").body.starts_with("<GET"));
  EXPECT_EQ(get(loop_, proxy->port(), "/big").status, 500);  // more than is gathered
}

TEST_F(LuaOnSockets, AScriptMayAnswerItself) {
  auto proxy = with(R"(
    function envoy_on_request(handle)
      if handle:headers():get(":path") == "/no" then
        handle:respond({[":status"] = "418", ["x-list"] = {"a", "b"}, ["x-number"] = 7}, "teapot")
      end
    end)");
  auto refused = get(loop_, proxy->port(), "/no");
  EXPECT_EQ(refused.status, 418);
  EXPECT_EQ(refused.body, "teapot");
  EXPECT_EQ(refused.headers.count("x-list"), 2u);
  EXPECT_EQ(refused.headers.get("x-number"), "7");
  EXPECT_EQ(backend_.requests, 0);
  EXPECT_EQ(get(loop_, proxy->port(), "/yes").status, 200);
}

TEST_F(LuaOnSockets, AScriptMayChooseAnotherMethodButNoTunnel) {
  auto proxy = with(R"(
    function envoy_on_request(handle)
      local path = handle:headers():get(":path")
      if path == "/head" then handle:headers():replace(":method", "HEAD") end
      if path == "/connect" then handle:headers():replace(":method", "CONNECT") end
    end)");
  const std::string head = "GET /head HTTP/1.1\r\nhost: a\r\n\r\n",
                    plain = "GET /after HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  const std::string answers = raw(loop_, proxy->port(), head + plain);
  EXPECT_NE(answers.find("content-length: 0\r\n"), std::string::npos) << answers;
  EXPECT_NE(answers.find("\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos) << answers;
  EXPECT_NE(answers.find("GET /after "), std::string::npos) << answers;
  const int before = backend_.requests;
  EXPECT_EQ(get(loop_, proxy->port(), "/connect").status, 503);
  EXPECT_EQ(backend_.requests, before);
}

TEST_F(LuaOnSockets, AScriptThatFailsChangesNothing) {
  auto proxy = with(R"(
    function envoy_on_request(handle)
      handle:headers():add("x-before", "1")
      local path = handle:headers():get(":path")
      if path == "/loop" then while true do end end
      if path == "/yield" then coroutine.yield() end
      if path == "/split" then handle:headers():add("x", "a\r\nb: c") end
      kept = handle:headers()
      error("on purpose")
    end
    function envoy_on_response(handle)
      kept:get("x")
    end)");
  for (const char* path : {"/error", "/loop", "/yield", "/split"}) {
    auto response = get(loop_, proxy->port(), path);
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_EQ(response.headers.get("echo-x-before"), "1");
    EXPECT_FALSE(response.headers.contains("echo-b"));
  }
}

TEST_F(LuaOnSockets, OtherClustersAreAskedWhileTheMessageWaits) {
  auto proxy = with(R"(
    local function ask(handle, path)
      local headers, body = handle:httpCall("backend", {[":method"] = "POST", [":path"] = path, [":authority"] = "side"}, "four", 5000)
      return headers[":status"] .. " " .. (body or "nothing")
    end
    function envoy_on_request(handle)
      handle:headers():add("x-first", ask(handle, "/side"))
      local body = handle:body()
      if body then
        handle:headers():add("x-second", ask(handle, "/status/404"))
        handle:body():setBytes("short")
      end
    end
    function envoy_on_response(handle)
      handle:headers():add("x-third", ask(handle, "/third"))
      if handle:headers():get("x-none") == nil then handle:body():setBytes("replaced") end
    end)");
  auto plain = get(loop_, proxy->port(), "/plain");
  EXPECT_EQ(plain.headers.get("echo-x-first"), "200 POST /side host=side body=4");
  EXPECT_EQ(plain.headers.get("x-third"), "200 POST /third host=side body=4");
  EXPECT_EQ(plain.body, "replaced");
  auto with_body = post(*proxy, bytes(100'000));
  EXPECT_EQ(with_body.headers.get("echo-x-second"), "404 POST /status/404 host=side body=4");
  EXPECT_EQ(with_body.headers.get("echo-content-length"), "5");
  auto none = with(
      "function envoy_on_request(h) h:httpCall('none', {[':method'] = 'GET', [':path'] = '/', [':authority'] = 'a'}, "
      "nil, 100) end");
  EXPECT_EQ(get(loop_, none->port(), "/").status, 200);
}

TEST_F(LuaOnSockets, ARouteMayHaveItsOwnScriptOrNone) {
  auto proxy = with(
      "function envoy_on_request(handle) handle:headers():add('x-who', 'listener') end",
      "              - {match: {prefix: /own}, route: {cluster: backend}, typed_per_filter_config: {mine: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute, source_code: {inline_string: "
      "\"function envoy_on_request(handle) handle:headers():add('x-who', 'route') end\"}}}}\n"
      "              - {match: {prefix: /none}, route: {cluster: backend}, typed_per_filter_config: {mine: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute, disabled: true}}}\n");
  EXPECT_EQ(get(loop_, proxy->port(), "/").headers.get("echo-x-who"), "listener");
  EXPECT_EQ(get(loop_, proxy->port(), "/own").headers.get("echo-x-who"), "route");
  EXPECT_FALSE(get(loop_, proxy->port(), "/none").headers.contains("echo-x-who"));
}

}  // namespace
}  // namespace proxy
