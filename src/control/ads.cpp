// SPDX-License-Identifier: Apache-2.0
#include "control/ads.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "base/log.h"
#include "config/specs.h"
#include "translate/translate.h"

namespace control {

using namespace std::chrono_literals;
using base::ErrorKind;
using http::grpc::Code;

namespace {

constexpr auto kAskAgain = 1min;
constexpr std::string_view kService = "/envoy.service.discovery.v3.AggregatedDiscoveryService/";

base::Result<mesh::Proxy> proxy_of(const envoy::config::core::v3::Node& node) {
  std::string text;
  auto status = google::protobuf::util::MessageToJsonString(node.metadata(), &text);
  if (!status.ok()) return base::fail(ErrorKind::Invalid, "node.metadata: " + status.ToString());
  auto proxy = TRY(mesh::parse_proxy(node.id(), TRY(base::parse_json(text)), node.user_agent_name()));
  if (proxy.locality == mesh::Locality{})
    proxy.locality = {node.locality().region(), node.locality().zone(), node.locality().sub_zone()};
  return proxy;
}

// A proxy gets the configuration of the namespace and account that it proved to be, and no other's.
base::Result<void> check_claim(const mesh::Proxy& claimed, const Identity& proven) {
  std::string who = "node " + base::printable(claimed.id);
  if (claimed.ns != proven.ns)
    return base::fail(ErrorKind::Denied, who + " claims namespace " + base::printable(claimed.ns) +
                                             " but is authenticated in " + proven.ns);
  // By its id it is known to users: proxy-status, the debug pages.
  if (size_t dot = claimed.id.rfind('.'); dot != std::string::npos && claimed.id.substr(dot + 1) != proven.ns)
    return base::fail(ErrorKind::Denied, who + " is named as one of namespace " +
                                             base::printable(claimed.id.substr(dot + 1)) + " but is authenticated in " +
                                             proven.ns);
  if (!claimed.service_account.empty() && claimed.service_account != proven.service_account)
    return base::fail(ErrorKind::Denied, who + " claims service account " + base::printable(claimed.service_account) +
                                             " but is authenticated as " + proven.service_account);
  if (!proven.pod.empty() && claimed.name != proven.pod)
    return base::fail(ErrorKind::Denied, who + " uses the token of pod " + proven.pod);
  return {};
}

// Nothing that decides about listeners or routes differs between the two.
bool same_place(const mesh::Workload* a, const mesh::Workload* b) {
  if (!a || !b) return a == b;
  return a == b || (a->labels == b->labels && a->named_ports == b->named_ports && a->locality == b->locality &&
                    a->addresses == b->addresses);
}

http::grpc::Status status_of(const base::Error& error) {
  switch (error.kind) {
    case ErrorKind::Denied:
      return {Code::PermissionDenied, error.message};
    case ErrorKind::Invalid:
      return {Code::InvalidArgument, error.message};
    case ErrorKind::Exhausted:
      return {Code::ResourceExhausted, error.message};
    case ErrorKind::Closed:
      return {Code::Cancelled, error.message};
    default:
      return {Code::Internal, error.message};
  }
}

}  // namespace

std::string short_type(std::string_view url) {
  if (url == xds::type::kCluster) return "cds";
  if (url == xds::type::kEndpoint) return "eds";
  if (url == xds::type::kListener) return "lds";
  if (url == xds::type::kRoute) return "rds";
  if (url == xds::type::kSecret) return "sds";
  return std::string(url);
}

// One connected proxy and its session's Source. Shared with the coroutines that
// read and write, so that it outlives them.
struct Ads::Stream final : xds::Source {
  Stream(Ads& owner, uint64_t number, xds::Variant variant, std::shared_ptr<http::Exchange> exchange,
         std::optional<Identity> proven);

  std::shared_ptr<const xds::Resources> resources(const envoy::config::core::v3::Node& node, std::string_view type_url,
                                                  const xds::Subscription& wanted) override;
  base::Result<void> identify(const envoy::config::core::v3::Node& node);
  const mesh::View& current_view();
  bool secrets_allowed();
  void push(const Ingest::Change& change);
  std::string name() const { return (proxy ? base::printable(proxy->id) : "unknown") + "-" + std::to_string(id); }

  Ads& ads;
  const uint64_t id;
  const std::chrono::system_clock::time_point connected = std::chrono::system_clock::now();
  http::grpc::ServerCall call;
  const std::optional<Identity> identity;
  std::optional<mesh::Proxy> proxy;
  std::optional<mesh::View> view;
  std::shared_ptr<const mesh::Snapshot> seen;  // that `view` was made of
  bool may_read_secrets = false;
  net::Clock::time_point secrets_asked{};  // when that was found out, or is being found out
  net::Queue<std::string> out;
  bool writing = false;
  std::map<std::string, std::shared_ptr<const xds::Resources>, std::less<>> sent;  // by type URL, the newest
  std::optional<Ingest::Change> missed;  // came while the proxy had not taken the last
  xds::ServerSession session;
};

Ads::Stream::Stream(Ads& owner, uint64_t number, xds::Variant variant, std::shared_ptr<http::Exchange> exchange,
                    std::optional<Identity> proven)
    : ads(owner),
      id(number),
      call(std::move(exchange)),
      identity(std::move(proven)),
      session(variant, *this, [this](std::string bytes) {
        ads.metrics_.config_bytes.observe(static_cast<double>(bytes.size()));
        out.push(std::move(bytes));
      }) {
  session.on_node = [this](const auto& node) { return identify(node); };
  session.on_sent = [this](std::string_view url) { ++ads.metrics_.pushes[short_type(url)]; };
  session.on_rejection = [this](std::string_view url, std::string_view message) {
    ++ads.metrics_.rejections[short_type(url)];
    base::log::warn("ads: {} rejected {}: {}", name(), short_type(url), base::printable(message));
  };
}

// Labels, ports and policies come from the pod of that name, so its account must be the caller's.
static base::Result<void> check_pod(const mesh::Proxy& claimed, const Identity& proven,
                                    const mesh::Snapshot* snapshot) {
  if (!snapshot) return {};
  auto pod = snapshot->workloads->by_name.find(std::pair(claimed.ns, claimed.name));
  if (pod == snapshot->workloads->by_name.end() || pod->second->ref.kind != "Pod") return {};
  if (pod->second->service_account == proven.service_account) return {};
  return base::fail(ErrorKind::Denied, "node " + base::printable(claimed.id) + " names a pod of service account " +
                                           pod->second->service_account + " but is authenticated as " +
                                           proven.service_account);
}

base::Result<void> Ads::Stream::identify(const envoy::config::core::v3::Node& node) {
  auto claimed = TRY(proxy_of(node));
  if (identity) {
    TRY(check_claim(claimed, *identity));
    TRY(check_pod(claimed, *identity, ads.snapshot_.get()));
    claimed.service_account = identity->service_account;
  }
  proxy = std::move(claimed);
  base::log::info("ads: {} connected from {}", name(), call.exchange().remote().text());
  return {};
}

const mesh::View& Ads::Stream::current_view() {
  if (seen != ads.snapshot_) {
    seen = ads.snapshot_;
    view.emplace(seen, *proxy);
  }
  return *view;
}

std::shared_ptr<const xds::Resources> Ads::Stream::resources(const envoy::config::core::v3::Node&, std::string_view url,
                                                             const xds::Subscription& wanted) {
  const mesh::View& sees = current_view();
  translate::Cache& cache = ads.translations_;
  std::vector<std::string> names(wanted.names.begin(), wanted.names.end());
  std::vector<translate::SharedResource> made;
  if (url == xds::type::kCluster) {
    made = cache.clusters(sees);
  } else if (url == xds::type::kListener) {
    made = cache.listeners(sees);
  } else if (url == xds::type::kRoute) {
    made = cache.routes(sees, wanted.wildcard ? cache.route_names(sees) : names);
  } else if (url == xds::type::kEndpoint) {
    made = cache.endpoints(sees, wanted.wildcard ? cache.endpoint_names(sees) : names);
  } else if (url == xds::type::kSecret) {
    if (secrets_allowed())
      for (translate::Resource& secret : translate::secrets(sees, names))
        made.push_back(std::make_shared<const translate::Resource>(std::move(secret)));
  }
  if (!wanted.wildcard)
    std::erase_if(made, [&](const auto& resource) { return !wanted.names.contains(resource->name); });
  auto now = ads.wire_.set_of(made);
  if (url != xds::type::kSecret) sent.insert_or_assign(std::string(url), now);
  return now;
}

// Anybody may ask; what it gets are private keys, so its account must be allowed to read them. Until the API server has
// answered there are none; the answer is pushed.
bool Ads::Stream::secrets_allowed() {
  if (may_read_secrets || !ads.may_read_secrets || !identity) return may_read_secrets;
  const auto now = net::Clock::now();
  if (secrets_asked != net::Clock::time_point{} && now < secrets_asked + kAskAgain) return false;
  secrets_asked = now;
  net::spawn(ads.ask_for_secrets(ads.streams_.at(id)));
  return false;
}

void Ads::Stream::push(const Ingest::Change& change) {
  if (!session.known()) return;  // its first request will see the newest state anyway
  if (writing || out.size() > 0) {
    if (missed)
      missed = {change.snapshot, std::max(missed->scope, change.scope), missed->since};
    else
      missed = change;
    return;
  }
  // Endpoints alone can change without a new look at everything else, unless the
  // pod behind this proxy turned out to be something else than it was taken for.
  std::shared_ptr<const mesh::Snapshot> before = seen;  // keeps the old workload, whose address is compared
  const mesh::Workload* was = view ? view->workload() : nullptr;
  bool same = view && same_place(was, current_view().workload());
  if (same && change.scope == mesh::Scope::Endpoints) {
    constexpr std::string_view kEndpoints[] = {xds::type::kEndpoint};
    session.push(kEndpoints);
  } else {
    session.push();
  }
  ads.metrics_.convergence_seconds.observe(std::chrono::duration<double>(net::Clock::now() - change.since).count());
}

Ads::Ads(net::Loop& loop, Metrics& metrics) : metrics_(metrics), timer_(loop, [this] { push_some(); }) {}

Ads::~Ads() {
  for (const auto& [id, stream] : streams_) stream->out.close();
}

bool Ads::serves(std::string_view path) { return path.starts_with(kService); }

net::Task<void> Ads::write_all(std::shared_ptr<Stream> stream) {
  while (true) {
    auto next = co_await stream->out.next();
    if (!next) co_return;
    stream->writing = true;
    auto written = co_await stream->call.write(std::move(*next));
    stream->writing = false;
    if (!written || stream->out.closed()) co_return;
    if (stream->missed && stream->out.size() == 0) {
      Ingest::Change change = *std::exchange(stream->missed, std::nullopt);
      stream->push(change);
    }
  }
}

net::Task<void> Ads::ask_for_secrets(std::shared_ptr<Stream> stream) {
  Identity who = *stream->identity;
  auto allowed = co_await may_read_secrets(std::move(who));
  if (!allowed || !*allowed) {
    std::string why = allowed ? stream->identity->ns + "/" + stream->identity->service_account +
                                    " may not list secrets in its namespace"
                              : allowed.error().message;
    base::log::warn("ads: {} gets no secrets: {}", stream->name(), base::printable(why));
    co_return;
  }
  stream->may_read_secrets = true;
  constexpr std::string_view kSecrets[] = {xds::type::kSecret};
  if (streams_.contains(stream->id)) stream->session.push(kSecrets);
}

net::Task<void> Ads::read_all(std::shared_ptr<Stream> stream) {
  while (true) {
    auto message = co_await stream->call.read();
    if (!message) {
      stream->call.finish(status_of(message.error()));
      co_return;
    }
    if (!*message) {
      stream->call.finish();
      co_return;
    }
    auto taken = stream->session.receive(**message);
    if (!taken) {
      base::log::warn("ads: {} refused: {}", stream->name(), base::printable(taken.error().message));
      stream->call.finish(status_of(taken.error()));
      co_return;
    }
  }
}

net::Task<void> Ads::serve(std::shared_ptr<http::Exchange> exchange, Trust trust, std::optional<Identity> identity) {
  std::string_view method = std::string_view(exchange->request().path).substr(kService.size());
  http::grpc::Status refusal;
  if (method != "StreamAggregatedResources" && method != "DeltaAggregatedResources")
    refusal = {Code::Unimplemented, "no such method"};
  else if (trust == Trust::Authenticated && !identity)
    refusal = {Code::Unauthenticated, "neither a client certificate nor a bearer token"};
  else if (!snapshot_)
    refusal = {Code::Unavailable, "the control plane has not read its configuration yet"};
  if (refusal.code != Code::Ok) {
    http::grpc::ServerCall call(std::move(exchange));
    call.finish(std::move(refusal));
    co_return;
  }
  auto variant = method.starts_with("Delta") ? xds::Variant::Delta : xds::Variant::StateOfTheWorld;
  auto stream = std::make_shared<Stream>(*this, ++last_id_, variant, std::move(exchange), std::move(identity));
  streams_.emplace(stream->id, stream);
  net::spawn(write_all(stream));
  co_await read_all(stream);
  streams_.erase(stream->id);
  stream->out.close();
  if (stream->proxy) base::log::info("ads: {} disconnected", stream->name());
}

void Ads::publish(const Ingest::Change& change) {
  snapshot_ = change.snapshot;
  ++metrics_.push_triggers[change.scope == mesh::Scope::Endpoints ? "endpoint" : "config"];
  // Streams that still wait for an older push get this one, in the older one's place.
  std::map<uint64_t, Ingest::Change*> queued;
  for (auto& [id, waiting] : to_push_) queued[id] = &waiting;
  for (const auto& [id, stream] : streams_) {
    auto it = queued.find(id);
    if (it == queued.end())
      to_push_.emplace_back(id, change);
    else
      it->second->scope = std::max(it->second->scope, change.scope);
  }
  push_some();
}

void Ads::push_some() {
  auto until = net::Clock::now() + 5ms;
  while (!to_push_.empty() && net::Clock::now() < until) {
    auto [id, change] = std::move(to_push_.front());
    to_push_.pop_front();
    auto it = streams_.find(id);
    if (it == streams_.end()) continue;
    auto stream = it->second;  // kept: what is written may end it
    stream->push(change);
  }
  if (!to_push_.empty()) {
    timer_.arm(0ms);
    return;
  }
  translations_.sweep();
  wire_.sweep();
}

std::shared_ptr<const xds::Resources> Ads::sent_to(std::string_view proxy, std::string_view type_url) const {
  std::shared_ptr<const xds::Resources> out;  // of its newest stream
  for (const auto& [id, stream] : streams_) {
    if (!stream->proxy || stream->proxy->id != proxy) continue;
    auto it = stream->sent.find(type_url);
    out = nullptr;
    if (it == stream->sent.end()) continue;
    // What the proxy gave up it no longer has, though nothing was sent since.
    auto held = std::make_shared<xds::Resources>(*it->second);
    std::erase_if(*held, [&](const auto& entry) { return !stream->session.wants(type_url, entry.first); });
    out = std::move(held);
  }
  return out;
}

bool Ads::serves_proxy(std::string_view proxy) const {
  return std::ranges::any_of(
      streams_, [&](const auto& stream) { return stream.second->proxy && stream.second->proxy->id == proxy; });
}

std::vector<Ads::Client> Ads::clients() const {
  std::vector<Client> out;
  for (const auto& [id, stream] : streams_) {
    if (!stream->proxy) continue;
    Client& client = out.emplace_back(Client{.connection = stream->name(),
                                             .address = stream->call.exchange().remote().text(),
                                             .connected = stream->connected,
                                             .proxy = *stream->proxy});
    for (const std::string& url : stream->session.types()) client.types[short_type(url)] = stream->session.status(url);
  }
  return out;
}

}  // namespace control
