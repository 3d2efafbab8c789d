// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb.h"
#include "envoy/extensions/filters/http/stateful_session/v3/stateful_session.pb.h"
#include "envoy/extensions/http/stateful_session/cookie/v3/cookie.pb.h"
#include "envoy/extensions/http/stateful_session/header/v3/header.pb.h"
#include "proxy/filter/health_check.h"
#include "proxy/filter/stateful_session.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::http::stateful_session::v3;
using google::protobuf::Any;

auto refuse(std::string message) {
  return std::unexpected(base::Error{.kind = base::ErrorKind::Invalid, .message = std::move(message)});
}

// nullptr: no session_state, so only routes turn it on.
base::Result<std::shared_ptr<const SessionKeeping>> keeping_of(const v3::StatefulSession& from) {
  if (!from.has_session_state()) return nullptr;
  auto out = std::make_shared<SessionKeeping>();
  out->strict = from.strict();
  const Any& state = from.session_state().typed_config();
  std::string type = type_of(state);
  if (type == "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState") {
    out->header = base::to_lower(
        TRY(unpack<envoy::extensions::http::stateful_session::header::v3::HeaderBasedSessionState>(state)).name());
    if (out->header.empty()) return refuse("a header based session without a header's name");
  } else if (type == "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState") {
    auto cookie =
        TRY(unpack<envoy::extensions::http::stateful_session::cookie::v3::CookieBasedSessionState>(state)).cookie();
    if (cookie.name().empty()) return refuse("Cookie key cannot be empty for cookie based stateful sessions");
    out->cookie = cookie.name();
    out->path = cookie.path();
    for (const auto& attribute : cookie.attributes())
      out->attributes += "; " + attribute.name() + (attribute.value().empty() ? "" : "=" + attribute.value());
    out->ttl = std::chrono::duration_cast<std::chrono::seconds>(milliseconds_of(cookie.ttl()));
  } else {
    return refuse("session state " + from.session_state().name() + " (" + type + ") is not known");
  }
  return out;
}

base::Result<std::shared_ptr<Filter>> session_filter(const Compiler&, const Any& any) {
  return std::make_shared<StatefulSessionFilter>(TRY(keeping_of(TRY(unpack<v3::StatefulSession>(any)))));
}
base::Result<std::shared_ptr<const FilterPolicy>> session_policy(const Compiler&, const Any& any) {
  auto from = TRY(unpack<v3::StatefulSessionPerRoute>(any));
  if (from.has_stateful_session())
    if (auto keeping = TRY(keeping_of(from.stateful_session())))
      return std::shared_ptr<const FilterPolicy>(std::move(keeping));
  auto off = std::make_shared<SessionKeeping>();
  off->off = true;
  return std::shared_ptr<const FilterPolicy>(std::move(off));
}

base::Result<std::shared_ptr<Filter>> health_filter(const Compiler& compiler, const Any& any) {
  auto from = TRY(unpack<envoy::extensions::filters::http::health_check::v3::HealthCheck>(any));
  HealthCheckFilter::Config out{.pass_through = from.pass_through_mode().value(),
                                .cache_time = milliseconds_of(from.cache_time())};
  if (!out.pass_through && out.cache_time.count() > 0)
    return refuse("cache_time_ms must not be set when path_through_mode is disabled");
  if (out.pass_through && !from.cluster_min_healthy_percentages().empty())
    return refuse("cluster_min_healthy_percentages belongs to a filter that does not pass through");
  for (const auto& [name, percent] : from.cluster_min_healthy_percentages())
    out.least_healthy.emplace_back(compiler.slots.cluster(name), percent.value());
  for (const auto& header : from.headers()) out.headers.push_back(TRY(compile(header)));
  return std::make_shared<HealthCheckFilter>(std::move(out));
}

}  // namespace

const FilterKind kStatefulSessionFilter{
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSession", session_filter,
    "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute", session_policy};
const FilterKind kHealthCheckFilter{"envoy.extensions.filters.http.health_check.v3.HealthCheck", health_filter, {}};

}  // namespace proxy
