// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/unread.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "base/strings.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "proxy/runtime/harness.h"
#include "proxy/runtime/slots.h"

namespace proxy {
namespace {

using namespace proxy::testing;

const google::protobuf::Descriptor* message_of(std::string_view name) {
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  if (const auto* message = pool.FindMessageTypeByName(std::string(name))) return message;
  const auto* field = pool.FindFieldByName(std::string(name));
  return field ? field->message_type() : nullptr;
}

std::string checked(const std::string& routes, const std::string& options = "", const std::string& more = "") {
  auto bootstrap = parse_bootstrap(bootstrap_of(routes, cluster_of("backend", "80", more), options));
  if (!bootstrap) return bootstrap.error().message;
  auto good = validate(*bootstrap);
  return good ? "good" : good.error().message;
}

std::string route(const std::string& action, const std::string& more = "") {
  return "              - {match: {prefix: /}, route: {cluster: backend" + action + "}" + more + "}\n";
}

// What is logged while it is there.
class Logged {
 public:
  Logged() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~Logged() { spdlog::set_default_logger(before_); }
  size_t count(std::string_view what) const {
    std::string text = text_.str();
    size_t out = 0;
    for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++out;
    return out;
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST(Unread, TheTablesAreInOrderAndNameWhatTheSchemasHave) {
  std::string_view before;
  for (const UnreadFields& one : unread_fields()) {
    EXPECT_LT(before, one.message);
    before = one.message;
    const auto* message = message_of(one.message);
    if (!message) continue;  // a schema that this program does not link
    for (std::string_view word : base::split(one.fields, ' ')) {
      if (word[0] == '!' || word[0] == '-') word.remove_prefix(1);
      const size_t equals = word.find('=');
      const bool known = message->FindFieldByName(std::string(word.substr(0, equals))) != nullptr;
      EXPECT_EQ(known, equals == word.npos) << one.message << "." << word << ": a number is for what the schemas lack";
    }
  }
  before = {};
  for (const Limit& one : limits()) {
    EXPECT_LE(before, one.message);
    before = one.message;
    const auto* message = message_of(one.message);
    ASSERT_NE(message, nullptr) << one.message;
    const std::string field(one.field);
    EXPECT_TRUE(message->FindFieldByName(field) || message->FindOneofByName(field)) << one.message << "." << field;
  }
}

TEST(Unread, WhatWouldRouteOtherwiseIsRefusedByName) {
  EXPECT_EQ(checked(route("")), "good");
  EXPECT_NE(
      checked(route(", flush_timeout: 1s")).find("envoy.config.route.v3.RouteAction.flush_timeout is not supported"),
      std::string::npos);
  EXPECT_NE(checked(route(""), "          path_normalization_options: {}\n").find("path_normalization_options"),
            std::string::npos);
}

TEST(Unread, ATypedStructIsLookedIntoAsTheMessageThatItIs) {
  const std::string tls =
      "    transport_socket: {name: tls, typed_config: {'@type': type.googleapis.com/xds.type.v3.TypedStruct, "
      "type_url: "
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, value: {common_tls_context: "
      "{tls_params: {";
  EXPECT_EQ(checked(route(""), "", tls + "}}}}}\n"), "good");
  const std::string told = checked(route(""), "", tls + "compliance_policies: [FIPS_202205]}}}}}\n");
  EXPECT_NE(told.find("compliance_policies is not supported"), std::string::npos) << told;
}

TEST(Unread, AFieldMayBeReadInOnePlaceAndRefusedInAnother) {
  const std::string options = "http2_protocol_options: {allow_metadata: true}";
  EXPECT_NE(checked(route(""), "          " + options + "\n").find("allow_metadata is not supported"),
            std::string::npos);
  EXPECT_EQ(checked(route(""), "          http2_protocol_options: {max_concurrent_streams: 10}\n"), "good");
}

TEST(Unread, WhatCostsNoMoreThanComfortIsSaidOnce) {
  Logged logged;
  auto bootstrap = parse_bootstrap(
      bootstrap_of(route("", ", tracing: {}") + route("", ", tracing: {}"), cluster_of("backend", "80"), ""));
  ASSERT_TRUE(bootstrap) << bootstrap.error().message;
  Slots slots;
  EXPECT_TRUE(check_unread(*bootstrap, slots));
  EXPECT_TRUE(check_unread(*bootstrap, slots));
  EXPECT_EQ(logged.count("envoy.config.route.v3.Route.tracing"), 1u);
}

TEST(Unread, WhatTheSchemasLeaveOutIsKnownByItsNumber) {
  const auto with = [](auto message, int number) {
    message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(number, "x");
    return message;
  };
  Slots slots;
  auto refused = check_unread(with(envoy::config::route::v3::RouteMatch(), 17), slots);
  ASSERT_FALSE(refused) << "cookies";
  EXPECT_EQ(refused.error().message, "envoy.config.route.v3.RouteMatch.cookies is not supported");
  Logged logged;
  EXPECT_TRUE(check_unread(with(envoy::config::listener::v3::Listener(), 37), slots));
  EXPECT_TRUE(check_unread(with(envoy::config::listener::v3::Listener(), 39), slots));
  EXPECT_TRUE(check_unread(with(envoy::config::listener::v3::Listener(), 999), slots));
  EXPECT_EQ(logged.count("envoy.config.listener.v3.Listener.tcp_keepalive, which has no effect"), 1u);
  EXPECT_EQ(logged.count("stats_matcher"), 0u);
  EXPECT_EQ(logged.count("field number 999"), 1u);
}

TEST(Slots, WhatNobodySpeaksWithLeavesNoKeysBehind) {
  Slots slots;
  const TlsSpec spec{.certificate_chain = std::string(1000, 'c'), .private_key = std::string(300, 'k')};
  const Slot first = slots.tls(spec);
  EXPECT_EQ(slots.tls(spec), first);
  slots.forget_tls(first);
  slots.forget_tls(first);
  EXPECT_EQ(slots.tls_specs()[first].private_key, "");
  EXPECT_LT(slots.tls_specs()[first].private_key.capacity(), 300u);
  const Slot second = slots.tls(spec);
  EXPECT_NE(second, first) << "what was compiled with the first must not come to speak with another";
  slots.forget_tls(first);
  EXPECT_EQ(slots.tls(spec), second);
}

TEST(Unread, AnysInAnysAreFollowedOnlySoFar) {
  google::protobuf::Any any;
  any.set_type_url("x/google.protobuf.Duration");
  auto wrapped = [&](int times) {
    google::protobuf::Any out = any;
    for (int i = 0; i < times; ++i) {
      google::protobuf::Any outer;
      outer.PackFrom(out);
      out = outer;
    }
    return out;
  };
  Slots slots;
  EXPECT_TRUE(check_unread(wrapped(20), slots));
  EXPECT_FALSE(check_unread(wrapped(40), slots));
}

TEST(Unread, NumbersThatAreNoneOfAnEnumerationsValuesAreRefused) {
  EXPECT_NE(checked("              - {match: {prefix: /}, redirect: {response_code: 302}}\n")
                .find("RedirectAction.response_code: 302 is none of its values"),
            std::string::npos);
  EXPECT_NE(checked(route(", priority: 5")).find("priority: 5"), std::string::npos);
  EXPECT_NE(checked(route(""), "          codec_type: 7\n").find("codec_type: 7"), std::string::npos);
}

TEST(Unread, WhatEnvoysSchemasNeedIsNeeded) {
  const auto filter = [](const std::string& policy) {
    auto bootstrap = parse_bootstrap(bootstrap_of(
        route(""), cluster_of("backend", "80"), "",
        "{name: rbac, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC, rules: "
        "{policies: {p: {" +
            policy + "}}}}}"));
    auto good = bootstrap ? validate(*bootstrap) : base::Result<void>(std::unexpected(bootstrap.error()));
    return good ? std::string("good") : good.error().message;
  };
  EXPECT_EQ(filter("permissions: [{any: true}], principals: [{any: true}]"), "good");
  EXPECT_NE(filter("principals: [{any: true}]").find("Policy.permissions has 0 elements"), std::string::npos);
  EXPECT_NE(checked(route(", regex_rewrite: {substitution: x}")).find("RegexMatchAndSubstitute.pattern is needed"),
            std::string::npos);
  EXPECT_NE(checked("              - {match: {prefix: /, headers: [{name: a, string_match: {}}]}, route: {cluster: "
                    "backend}}\n")
                .find("is needed"),
            std::string::npos);
}

TEST(Unread, ValuesPastTheirLimitsAreRefused) {
  EXPECT_NE(checked(route(", timeout: -1s")).find("route.timeout: a negative duration"), std::string::npos);
  EXPECT_NE(checked(route(", retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0s}}"))
                .find("RetryBackOff.base_interval has "),
            std::string::npos);
  EXPECT_NE(checked(route(""), "          max_request_headers_kb: 100000\n").find("max_request_headers_kb"),
            std::string::npos);
  EXPECT_NE(checked(route(""), "", "    outlier_detection: {max_ejection_percent: 200}\n").find("max_ejection_percent"),
            std::string::npos);
}

}  // namespace
}  // namespace proxy
