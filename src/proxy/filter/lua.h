// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "proxy/filter/filter.h"

namespace proxy {

// One script, checked when the configuration was compiled. Each worker runs it
// in a state of its own (LuaMachine), made when a request first needs it.
struct LuaScript {
  std::string source;
  static base::Result<std::shared_ptr<const LuaScript>> make(std::string source);
};

struct LuaPolicy final : FilterPolicy {
  bool off = false;
  std::string name;                         // of one of the listener's scripts; or
  std::shared_ptr<const LuaScript> script;  // its own
  base::Json context;                       // filter_context
};

// Runs envoy_on_request and envoy_on_response of Envoy's Lua filter. A script
// that fails is logged and the message goes on as it is; it cannot take more
// memory or instructions than the limits, nor touch files or the network.
class LuaFilter final : public Filter {
 public:
  LuaFilter(std::shared_ptr<const LuaScript> usual, base::StringMap<std::shared_ptr<const LuaScript>> named,
            bool clear_routes, Slot machines)
      : machines(machines), usual_(std::move(usual)), named_(std::move(named)), clear_routes_(clear_routes) {}
  std::string_view name() const override { return "envoy.filters.http.lua"; }
  Verdict on_request(Stream& stream) const override;
  void on_response(Stream& stream, http::ResponseHead& head) const override;
  Verdict on_request_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_response_data(Stream& stream, net::Buffer& bytes, bool end) const override;
  Verdict on_request_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
  Verdict on_response_trailers(Stream& stream, net::Buffer& last, http::Headers& trailers) const override;
  bool clears_routes() const { return clear_routes_; }

  std::string given_name;  // by its listener; written once, where the filter is compiled
  const Slot machines;     // of the worker's LuaMachines

 private:
  std::shared_ptr<const LuaScript> script_for(const Stream& stream) const;

  std::shared_ptr<const LuaScript> usual_;  // may be none
  base::StringMap<std::shared_ptr<const LuaScript>> named_;
  const bool clear_routes_;
};

}  // namespace proxy
