// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/struct.pb.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb.h"
#include "envoy/type/matcher/v3/metadata.pb.h"
#include "envoy/type/matcher/v3/regex.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"
#include "envoy/type/v3/percent.pb.h"
#include "proxy/runtime/config.h"
#include "proxy/runtime/slots.h"

// From xDS messages to what the data path runs on. Errors are what a NACK
// says; a field that Seine does not know changes nothing unless it protects
// something (authorization, TLS), where it is an error.
namespace proxy {

namespace core = envoy::config::core::v3;

// Files of access logs, opened once however many listeners write to them.
class LogFiles {
 public:
  base::Result<std::shared_ptr<LogFile>> open(const std::string& path);
  void reopen_all();

 private:
  base::StringMap<std::shared_ptr<LogFile>> files_;
};

struct Compiler {
  Slots& slots;
  LogFiles& logs;
  std::string stat_prefix = {};  // of the HTTP connection manager that is being compiled

  base::Result<std::shared_ptr<const Cluster>> cluster(const envoy::config::cluster::v3::Cluster& from) const;
  base::Result<std::shared_ptr<const EndpointSet>> endpoints(
      const envoy::config::endpoint::v3::ClusterLoadAssignment& from) const;
  base::Result<std::shared_ptr<const VirtualHost>> virtual_host(
      const envoy::config::route::v3::VirtualHost& from,
      const envoy::config::route::v3::RouteConfiguration* table = nullptr) const;
  base::Result<std::shared_ptr<const RouteTable>> route_table(
      const envoy::config::route::v3::RouteConfiguration& from) const;
  // Filter chains that are the same in `before` are taken from there.
  base::Result<std::shared_ptr<Listener>> listener(const envoy::config::listener::v3::Listener& from,
                                                   const Listener* before = nullptr) const;
  base::Result<std::shared_ptr<const TcpConfig>> tcp(const google::protobuf::Any& from) const;

  base::Result<std::shared_ptr<const HttpConfig>> http(
      const envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager& from) const;
  // nullptr: what it does is part of the data path itself, or it is optional and not known.
  base::Result<std::shared_ptr<const Filter>> filter(
      const envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter& from) const;
  base::Result<Policies> policies(const google::protobuf::Map<std::string, google::protobuf::Any>& from) const;
  base::Result<Transport> upstream_transport(const core::TransportSocket& from, Cluster::Http http) const;
  base::Result<Transport> downstream_transport(const core::TransportSocket& from, bool http) const;
  base::Result<std::vector<std::shared_ptr<const AccessLog>>> access_logs(
      const google::protobuf::RepeatedPtrField<envoy::config::accesslog::v3::AccessLog>& from) const;
};

base::Result<StringMatch> compile(const envoy::type::matcher::v3::StringMatcher& from);
base::Result<std::shared_ptr<const re2::RE2>> compile_regex(const std::string& pattern);
base::Result<HeaderMatch> compile(const envoy::config::route::v3::HeaderMatcher& from);
base::Result<net::Address> compile(const core::Address& from);
base::Result<std::string> compile(const core::DataSource& from);
base::Result<std::vector<std::string>> compile(
    const envoy::extensions::transport_sockets::tls::v3::TlsSessionTicketKeys& from);  // good ones
base::Result<MetadataMatch> compile(const envoy::type::matcher::v3::MetadataMatcher& from);
base::Result<AddressRange> compile(const core::CidrRange& from);
base::Result<void> compile_match_into(const envoy::config::route::v3::RouteMatch& from,
                                      Route& out);  // a route's conditions
base::Json json_of(const google::protobuf::Struct& from);

base::Result<HeaderMutation> compile_headers(const google::protobuf::RepeatedPtrField<core::HeaderValueOption>& add);
base::Result<std::vector<RateLimitRule>> compile_rate_limits(
    const google::protobuf::RepeatedPtrField<envoy::config::route::v3::RateLimit>& from);
base::Result<LogFilter> filter_of(const envoy::config::accesslog::v3::AccessLogFilter& from);
base::Result<HeaderMutation> mutation_of(const google::protobuf::RepeatedPtrField<core::HeaderValueOption>& add,
                                         const google::protobuf::RepeatedPtrField<std::string>& remove);
base::Result<telemetry::LineFormat> line_of(const core::SubstitutionFormatString& from);
// The content type of what such a format makes: its own word, or JSON's or plain text's.
std::string content_type_of(const core::SubstitutionFormatString& from);

std::chrono::milliseconds milliseconds_of(const google::protobuf::Duration& from);  // a century at most
base::Result<Http2Options> http2_options_of(const envoy::config::core::v3::Http2ProtocolOptions& from);
// Of header_key_format; none: lower case.
base::Result<std::optional<http::h1::Spelling>> spelling_of(const envoy::config::core::v3::Http1ProtocolOptions& from);
uint32_t per_million(const envoy::type::v3::FractionalPercent& from);
// What a resource's metadata says, for logs; nullptr: nothing beyond what is known elsewhere.
enum class Known : uint8_t { Nothing, IstioConfig };
base::Result<std::shared_ptr<const Metadata>> about_of(const core::Metadata& metadata, Known known);
// What it says of the endpoints to be chosen (envoy.lb), on top of `base`; without such words, `base`, which may be
// nullptr.
std::shared_ptr<const SubsetCriteria> subset_of(const core::Metadata& metadata,
                                                const std::shared_ptr<const SubsetCriteria>& base);
std::string origin_of(const core::Metadata& metadata);  // filter_metadata.istio.config
std::string_view string_field(const google::protobuf::Struct& from, const std::string& name);

// The message's name without "type.googleapis.com/", looking into TypedStructs.
std::string type_of(const google::protobuf::Any& from);
// Of Istio's network filters those that are known, and with nothing to do here: Seine's proxies tell each other who
// they are in TLS and headers.
bool is_silent(const google::protobuf::Any& network_filter);
// An extension that no type tells of, or one that is not known: never as if it had not been asked for.
std::unexpected<base::Error> no_implementation(const std::string& name, const google::protobuf::Any& from);
// The message of an Any, or of a TypedStruct in it.
base::Result<void> unpack_into(const google::protobuf::Any& from, google::protobuf::Message& to);
base::Result<void> unpack_quietly_into(const google::protobuf::Any& from, google::protobuf::Message& to);
// The same, for what protects something: fields that are not known are an error that names them.
base::Result<void> unpack_strictly_into(const google::protobuf::Any& from, google::protobuf::Message& to);
template <typename Message>
base::Result<Message> unpack_strictly(const google::protobuf::Any& from) {
  Message out;
  TRY(unpack_strictly_into(from, out));
  return out;
}
template <typename Message>
base::Result<Message> unpack(const google::protobuf::Any& from) {
  Message out;
  TRY(unpack_into(from, out));
  return out;
}

}  // namespace proxy
