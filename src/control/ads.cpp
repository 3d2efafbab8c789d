// SPDX-License-Identifier: Apache-2.0
#include "control/ads.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>

#include "base/log.h"
#include "translate/translate.h"

namespace control {

namespace grpc = http::grpc;

constexpr std::string_view kService = "/envoy.service.discovery.v3.AggregatedDiscoveryService/";
// What may wait for a client that does not read; then it is cut off and starts afresh.
constexpr size_t kMaxBacklog = 1024;

// One connected proxy. It is its session's Source: what the proxy should have is
// translated from the View it has of the snapshot, and kept until that changes.
struct Ads::Stream final : xds::Source {
  Stream(Ads& ads, xds::Variant variant) : ads(ads), session(variant, *this, [this](std::string bytes) { out.push(std::move(bytes)); }) {}

  xds::Resources resources(const envoy::config::core::v3::Node& node, std::string_view type_url,
                           const xds::Subscription& wanted) override;
  void use(std::shared_ptr<const mesh::Snapshot> snapshot, mesh::Scope scope);
  base::Result<void> identify(const envoy::config::core::v3::Node& node, const std::optional<Identity>& identity);

  Ads& ads;
  std::shared_ptr<http::Exchange> exchange;
  net::Queue<std::string> out;
  xds::ServerSession session;
  std::optional<mesh::Proxy> proxy;
  std::optional<mesh::View> view;
};

Ads::Ads(net::Loop& loop) : loop_(loop) {}

Ads::~Ads() {
  for (const auto& stream : streams_) stream->out.close();
}

bool Ads::serves(std::string_view path) { return path.starts_with(kService); }

// Equal messages must give equal bytes, or versions would differ without a change.
static std::string serialized(const google::protobuf::Message& message) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return out;
}

xds::Resources Ads::Stream::resources(const envoy::config::core::v3::Node&, std::string_view type_url,
                                      const xds::Subscription& wanted) {
  xds::Resources out;
  if (!view) return out;
  std::vector<std::string> names(wanted.names.begin(), wanted.names.end());
  std::vector<translate::Resource> made;
  if (type_url == xds::type::kCluster) {
    made = translate::clusters(*view);
  } else if (type_url == xds::type::kListener) {
    made = translate::listeners(*view);
  } else if (type_url == xds::type::kRoute) {
    made = translate::routes(*view, wanted.wildcard ? translate::route_names(*view) : names);
  } else if (type_url == xds::type::kEndpoint) {
    made = translate::endpoints(*view, wanted.wildcard ? translate::endpoint_names(*view) : names);
  } else if (type_url == xds::type::kSecret) {
    made = translate::secrets(*view, names);
  }
  ads.counts_.translated += made.size();
  for (translate::Resource& resource : made) {
    if (!wanted.wildcard && !wanted.names.contains(resource.name)) continue;
    std::string body = serialized(*resource.message);
    out[resource.name] = xds::Resource::make(resource.name, std::move(body));
  }
  return out;
}

// Endpoints alone can change without a new look at everything else.
void Ads::Stream::use(std::shared_ptr<const mesh::Snapshot> snapshot, mesh::Scope scope) {
  if (!proxy || !snapshot) return;
  view.emplace(std::move(snapshot), *proxy);
  constexpr std::string_view kEndpointsOnly[] = {xds::type::kEndpoint};
  if (scope == mesh::Scope::Endpoints) {
    session.push(kEndpointsOnly);
  } else {
    session.push();
  }
}

static base::Result<mesh::Proxy> proxy_of(const envoy::config::core::v3::Node& node) {
  std::string text;
  auto status = google::protobuf::util::MessageToJsonString(node.metadata(), &text);
  if (!status.ok()) return base::fail(base::ErrorKind::Invalid, "node.metadata: " + status.ToString());
  return mesh::parse_proxy(node.id(), TRY(base::parse_json(text)), node.user_agent_name());
}

// A proxy gets the configuration of the namespace and account that it proved to be, and no other's.
base::Result<void> Ads::Stream::identify(const envoy::config::core::v3::Node& node, const std::optional<Identity>& identity) {
  mesh::Proxy claimed = TRY(proxy_of(node));
  std::string who = "node " + base::printable(node.id());
  if (identity) {
    if (claimed.ns != identity->ns)
      return base::fail(base::ErrorKind::Denied, who + " claims namespace " + base::printable(claimed.ns) +
                                                     " but is authenticated in " + identity->ns);
    if (!claimed.service_account.empty() && claimed.service_account != identity->service_account)
      return base::fail(base::ErrorKind::Denied, who + " claims service account " +
                                                     base::printable(claimed.service_account) + " but is authenticated as " + identity->service_account);
    if (!identity->pod.empty() && claimed.name != identity->pod)
      return base::fail(base::ErrorKind::Denied, who + " uses the token of pod " + identity->pod);
    claimed.service_account = identity->service_account;
  }
  proxy = std::move(claimed);
  return {};
}

static net::Task<void> write_all(std::shared_ptr<Ads::Stream> stream, std::shared_ptr<grpc::ServerCall> call) {
  for (;;) {
    auto next = co_await stream->out.next();
    if (!next) co_return;
    if (stream->out.size() > kMaxBacklog) {
      stream->exchange->abort();
      co_return;
    }
    auto written = co_await call->write(std::move(*next));
    if (!written) co_return;
  }
}

static grpc::Status status_of(const base::Error& error) {
  return {error.kind == base::ErrorKind::Denied ? grpc::Code::PermissionDenied : grpc::Code::InvalidArgument, error.message};
}

net::Task<void> Ads::serve(std::shared_ptr<http::Exchange> exchange, Trust trust, std::optional<Identity> identity) {
  auto call = std::make_shared<grpc::ServerCall>(exchange);
  std::string_view method = std::string_view(exchange->request().path).substr(kService.size());
  if (method != "StreamAggregatedResources" && method != "DeltaAggregatedResources") {
    call->finish({grpc::Code::Unimplemented, "no such method"});
    co_return;
  }
  if (trust == Trust::Authenticated && !identity) {
    call->finish({grpc::Code::Unauthenticated, "neither a client certificate nor a bearer token"});
    co_return;
  }
  auto stream = std::make_shared<Stream>(*this, method.starts_with("Delta") ? xds::Variant::Delta : xds::Variant::StateOfTheWorld);
  stream->exchange = exchange;
  stream->session.on_rejection = [this, raw = stream.get()](std::string_view type, std::string_view message) {
    ++counts_.rejections;
    base::log::warn("ads: {} rejected {}: {}", base::printable(raw->session.node().id()), type, base::printable(message));
  };
  streams_.push_back(stream);
  net::spawn(write_all(stream, call));

  grpc::Status end;
  for (;;) {
    auto message = co_await call->read();
    if (!message || !*message) break;
    bool known = stream->session.known();
    if (!known) {
      // The node says who asks; nothing is answered before that is settled.
      auto node = xds::node_of(stream->session.variant(), **message);
      if (!node) {
        end = status_of(node.error());
        break;
      }
      auto claimed = stream->identify(*node, identity);
      if (!claimed) {
        base::log::warn("ads: refused: {}", claimed.error().message);
        end = status_of(claimed.error());
        break;
      }
      if (snapshot_) stream->view.emplace(snapshot_, *stream->proxy);
      base::log::info("ads: {} connected", base::printable((*node).id()));
    }
    auto taken = stream->session.receive(**message);
    if (!taken) {
      end = status_of(taken.error());
      break;
    }
  }
  drop(stream.get());
  stream->out.close();
  call->finish(end);
}

void Ads::drop(Stream* stream) {
  streams_.remove_if([stream](const auto& one) { return one.get() == stream; });
}

void Ads::publish(std::shared_ptr<const mesh::Snapshot> snapshot, mesh::Scope scope) {
  snapshot_ = std::move(snapshot);
  for (const auto& stream : streams_) {
    ++counts_.pushes;
    stream->use(snapshot_, scope);
  }
}

std::vector<Ads::Client> Ads::clients() const {
  std::vector<Client> out;
  for (const auto& stream : streams_)
    if (stream->proxy)
      out.push_back({.proxy = stream->proxy->id,
                     .cluster_id = stream->proxy->cluster_id,
                     .version = stream->proxy->version,
                     .address = stream->exchange->remote(),
                     .session = &stream->session});
  return out;
}

}  // namespace control
