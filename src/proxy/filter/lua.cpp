// SPDX-License-Identifier: Apache-2.0
#include "proxy/filter/lua.h"

#include "base/log.h"
#include "proxy/filter/lua_machine.h"
#include "proxy/stream/stream.h"

namespace proxy {
namespace {

using Wait = LuaScope::Wait;

// One function of the script on one message.
struct Run {
  std::shared_ptr<LuaMachine> machine;
  std::shared_ptr<LuaScope> scope;
  lua_State* coroutine = nullptr;
  int reference = LUA_NOREF;
  std::optional<SideCall> call;
  std::optional<SideAnswer> answer;  // of the call, once it is there

  ~Run() { finish(); }
  bool calls() const { return going() && scope->wait == Wait::Call; }
  bool going() const { return coroutine != nullptr; }
  void finish() {
    if (scope) *scope = LuaScope{};  // handles that are still there find nothing
    if (coroutine) machine->release(reference);
    coroutine = nullptr;
  }

  // Pushing handles takes memory, which may be used up: inside a protected call.
  enum class Give : uint8_t { Handle, Body, Trailers, Answer, Nothing };
  struct Gift {
    const std::shared_ptr<LuaScope>& scope;
    Give give;
    const SideAnswer* answer;
  };
  static int push(lua_State* state) {
    const auto& gift = *static_cast<const Gift*>(lua_touserdata(state, 1));
    switch (gift.give) {
      case Give::Handle:
        push_lua_handle(state, gift.scope);
        break;
      case Give::Body:
        push_lua_body(state, gift.scope);
        break;
      case Give::Trailers:
        push_lua_trailers(state, gift.scope);
        break;
      case Give::Answer:
        push_lua_answer(state, *gift.answer);
        return 2;
      case Give::Nothing:
        lua_pushnil(state);
        break;
    }
    return 1;
  }

  // Goes on until the script ends, fails or waits again.
  void resume(Give give) {
    lua_State* base = machine->state();
    Gift gift{scope, give, answer ? &*answer : nullptr};
    int gifts = give == Give::Answer ? 2 : 1;
    lua_pushcfunction(base, &Run::push);
    lua_pushlightuserdata(base, &gift);
    std::string error;
    bool yielded = false, good = lua_pcall(base, 1, gifts, 0) == LUA_OK;
    if (good) {
      lua_xmove(base, coroutine, gifts);
      answer.reset();
      scope->wait = Wait::Nothing;
      good = machine->resume(coroutine, gifts, yielded, error);
    } else {
      lua_pop(base, 1);
      error = "not enough memory";
    }
    if (!good) base::log::error("script log: {}", base::printable(error));
    if (!good) scope->reply.reset();
    if (good && yielded && scope->wait == Wait::Nothing)
      base::log::error("script log: script performed an unexpected yield");
    if (!good || !yielded || scope->wait == Wait::Nothing) {
      auto reply = std::move(scope->reply);
      finish();
      if (reply) scope->reply = std::move(reply);
    }
  }

  static bool begin(Run& run, const std::shared_ptr<const LuaScript>& script, LuaMachine::Entry entry, Slot machines,
                    Stream& stream) {
    run.machine = stream.worker().state<LuaMachines>(machines).of(script);
    if (!run.machine) return false;
    run.coroutine = run.machine->coroutine(entry, run.reference);
    if (!run.coroutine) return false;
    run.scope = std::make_shared<LuaScope>();
    run.scope->stream = &stream;
    return true;
  }
};

struct Runs final : FilterState {
  Run request, response;
  void on_end(Stream&) override {
    for (Run* run : {&request, &response}) {
      if (run->call) run->call->cancel();
      run->finish();
    }
  }
};

void answered(Run& run, const LuaFilter& filter);

// Asks another cluster on the script's behalf; the message waits.
void start_call(Run& run, const LuaFilter& filter) {
  LuaScope::Call call = std::move(*run.scope->call);
  run.scope->call.reset();
  Stream& stream = *run.scope->stream;
  Slot cluster = stream.worker().config().slot_named(call.cluster);
  auto target = SideTarget::make({.cluster = cluster, .timeout = call.timeout});
  run.call.emplace(stream.worker());
  run.call->send(std::move(target), call.request, [&run, &filter](SideAnswer& answer) {
    run.answer = std::move(answer);
    answered(run, filter);
  });
}

// What the script called for is there: it goes on, where a body waits with that body at hand.
void answered(Run& run, const LuaFilter& filter) {
  if (!run.calls()) return;
  Stream& stream = *run.scope->stream;
  bool response = run.scope->response;
  if (run.scope->whole_body)
    return response ? stream.show_response_body_again(filter) : stream.show_request_body_again(filter);
  run.resume(Run::Give::Answer);
  if (run.calls()) return start_call(run, filter);
  if (run.scope->reply) {
    Reply reply = std::move(*run.scope->reply);
    return stream.reply(std::move(reply));
  }
  bool for_body = run.going() && run.scope->wait == Wait::Body;
  if (run.going()) {
    run.scope->head_open = for_body;
    if (response)
      stream.watch_response_body();
    else
      stream.watch_request_body();
  }
  if (for_body) return response ? stream.show_response_body_again(filter) : stream.show_request_body_again(filter);
  if (response) return stream.resume_response();
  if (filter.clears_routes()) stream.clear_route_cache();
  stream.resume_request();
}

}  // namespace

std::shared_ptr<const LuaScript> LuaFilter::script_for(const Stream& stream) const {
  const auto* own = stream.policy<LuaPolicy>(*this);
  if (!own) return usual_;
  if (own->off) return nullptr;
  if (own->script) return own->script;
  if (own->name.empty()) return usual_;
  auto it = named_.find(own->name);
  return it == named_.end() ? nullptr : it->second;
}

static void tell(LuaScope& scope, const LuaFilter& filter, Stream& stream, bool response) {
  const auto* own = stream.policy<LuaPolicy>(filter);
  scope.filter = &filter;
  scope.response = response;
  scope.context = own ? &own->context : nullptr;
  const Route* route = stream.route();
  if (!route || !route->facts) return;
  scope.metadata = route->facts->find(filter.given_name, {});
  if (!scope.metadata) scope.metadata = route->facts->find(filter.name(), {});
}

Verdict LuaFilter::on_request(Stream& stream) const {
  auto script = script_for(stream);
  if (!script) return Continue{};
  Runs& runs = stream.state<Runs>(*this);
  Run& run = runs.request;
  if (!Run::begin(run, script, LuaMachine::Entry::OnRequest, machines, stream)) return Continue{};
  tell(*run.scope, *this, stream, false);
  run.resume(Run::Give::Handle);
  if (run.scope->reply) return std::move(*run.scope->reply);
  if (!run.going()) {
    if (clear_routes_) stream.clear_route_cache();
    return Continue{};
  }
  if (run.calls()) {
    start_call(run, *this);
    return Pause{};
  }
  if (run.scope->wait == Wait::Body) {
    stream.watch_request_body();
    return Pause{};
  }
  run.scope->head_open = false;
  stream.watch_request_body();
  return Continue{};
}

// A piece of a body, or all that is left of it, for a script that waits; trailers where they end it.
static Verdict show(const LuaFilter& filter, Run& run, net::Buffer& bytes, bool end, http::Headers* trailers) {
  if (!run.going()) return Continue{};
  auto scope = run.scope;
  if (run.calls()) {  // the answer is there, or the bytes wait for it
    if (!run.answer || !scope->whole_body) return Pause{.gather = scope->whole_body};
    scope->body = &bytes;
    scope->trailers = trailers;
    run.resume(Run::Give::Answer);
    scope->body = nullptr;
  } else if (scope->wait == Wait::Body) {
    if (!end) return Pause{.gather = true};
    scope->whole_body = true;
    scope->body = &bytes;
    scope->trailers = trailers;
    if (trailers && bytes.empty())
      run.resume(Run::Give::Nothing);
    else
      run.resume(Run::Give::Body);
  } else if (scope->wait == Wait::Chunk && !bytes.empty()) {
    scope->body = &bytes;
    run.resume(Run::Give::Body);
  }
  scope->body = nullptr;
  if (run.calls()) {
    if (scope->whole_body) {
      start_call(run, filter);
      return Pause{.gather = true};
    }
    base::log::error("script log: httpCall() between the pieces of a body is not known");
    run.finish();
  }
  if (end && run.going() && scope->wait == Wait::Chunk) run.resume(Run::Give::Nothing);
  if (end && run.going() && scope->wait == Wait::Trailers) {
    scope->trailers = trailers;
    run.resume(trailers ? Run::Give::Trailers : Run::Give::Nothing);
  }
  if (scope->reply) return std::move(*scope->reply);
  if (end) run.finish();
  return Continue{};
}

Verdict LuaFilter::on_request_data(Stream& stream, net::Buffer& bytes, bool end) const {
  Run& run = stream.state<Runs>(*this).request;
  bool head_waits = run.going() && run.scope->head_open;
  Verdict verdict = show(*this, run, bytes, end, nullptr);
  if (clear_routes_ && head_waits && end && std::holds_alternative<Continue>(verdict)) stream.clear_route_cache();
  return verdict;
}
Verdict LuaFilter::on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const {
  return show(*this, stream.state<Runs>(*this).request, last, true, &trailers);
}

void LuaFilter::on_response(Stream& stream, http::ResponseHead&) const {
  auto script = script_for(stream);
  if (!script) return;
  Run& run = stream.state<Runs>(*this).response;
  run.finish();  // of a response that this one replaces
  if (!Run::begin(run, script, LuaMachine::Entry::OnResponse, machines, stream)) return;
  tell(*run.scope, *this, stream, true);
  run.resume(Run::Give::Handle);
  if (!run.going()) return;
  if (run.calls()) {
    stream.hold_response();
    return start_call(run, *this);
  }
  if (run.scope->wait == Wait::Body)
    stream.hold_response();
  else
    run.scope->head_open = false;
  stream.watch_response_body();
}

Verdict LuaFilter::on_response_data(Stream& stream, net::Buffer& bytes, bool end) const {
  return show(*this, stream.state<Runs>(*this).response, bytes, end, nullptr);
}
Verdict LuaFilter::on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const {
  return show(*this, stream.state<Runs>(*this).response, last, true, &trailers);
}

}  // namespace proxy
