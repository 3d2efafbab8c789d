// SPDX-License-Identifier: Apache-2.0
#include "control/control_plane.h"

#include "base/log.h"
#include "base/strings.h"
#include "control/ads.h"
#include "control/authority.h"
#include "control/certificate_service.h"
#include "control/debug.h"
#include "control/file_source.h"
#include "control/kubernetes_source.h"
#include "control/review_budget.h"
#include "control/root_certificate.h"
#include "control/webhook_configurations.h"
#include "control/webhooks.h"
#include "http/server.h"

namespace control {

using base::ErrorKind;
using http::grpc::Code;
using Exchange = std::shared_ptr<http::Exchange>;

constexpr auto kReviewTime = std::chrono::seconds(10);  // for one to come; API servers wait as long by default

// Members are in the order in which they need each other.
struct ControlPlane::Parts {
  Parts(net::Loop& on, Options how)
      : loop(on),
        options(std::move(how)),
        ads(loop, metrics),
        ingest(loop, [this](const Ingest::Change& change) { ads.publish(change); }),
        webhooks(ingest, metrics, options.injection),
        pages(ingest, ads, metrics) {}

  net::Loop& loop;
  const Options options;
  Metrics metrics;
  Ads ads;
  Ingest ingest;
  Webhooks webhooks;
  DebugPages pages;

  // With Kubernetes.
  std::unique_ptr<kube::Client> api;
  std::unique_ptr<KubernetesSource> kubernetes;
  std::optional<identity::Authority> authority;
  std::unique_ptr<ServingCertificate> serving;
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<CertificateService> certificates;
  std::unique_ptr<RootCertificate> root;
  std::unique_ptr<WebhookConfigurations> configurations;
  // Without.
  std::unique_ptr<FileSource> files;

  const std::shared_ptr<ReviewBudget> reviews = std::make_shared<ReviewBudget>();
  std::vector<std::unique_ptr<http::Server>> servers;

  base::Result<void> listen(std::string_view what, uint16_t port, http::Handler handler,
                            http::ServerOptions options = {});
  std::function<std::shared_ptr<const net::TlsContext>()> tls(ServingCertificate::For use);
  net::Task<base::Result<void>> start_with_kubernetes();
  base::Result<void> open_ports();
};

base::Result<void> ControlPlane::Parts::listen(std::string_view what, uint16_t port, http::Handler handler,
                                               http::ServerOptions server_options) {
  auto address = TRY(net::Address::parse(options.address, port));
  auto server = std::make_unique<http::Server>(loop, std::move(handler), std::move(server_options));
  auto bound = TRY(server->listen(address));
  base::log::info("{} on {}", what, bound.text());
  servers.push_back(std::move(server));
  return {};
}

std::function<std::shared_ptr<const net::TlsContext>()> ControlPlane::Parts::tls(ServingCertificate::For use) {
  return [this, use]() -> std::shared_ptr<const net::TlsContext> {
    auto context = serving->context(use, identity::WallClock::now());
    if (!context) base::log::error("no serving certificate: {}", context.error().message);
    return context ? *context : nullptr;
  };
}

namespace {

void refuse(Exchange exchange, Code code, std::string message) {
  http::grpc::ServerCall call(std::move(exchange));
  call.finish({code, std::move(message)});
}

}  // namespace

// The plain port: whoever can connect is believed.
static net::Task<void> serve_plain(Ads& ads, Exchange exchange) {
  if (!http::grpc::ServerCall::is_grpc(exchange->request())) {
    exchange->respond(415, "this port speaks gRPC\n");
  } else if (!Ads::serves(exchange->request().path)) {
    refuse(std::move(exchange), Code::Unimplemented, "no such method");
  } else {
    co_await ads.serve(std::move(exchange), Ads::Trust::Anyone, std::nullopt);
  }
}

// The port of proxies: discovery and certificates, for callers with an identity.
static net::Task<void> serve_secure(Authenticator& authenticator, Ads& ads, CertificateService& certificates,
                                    Metrics& metrics, Exchange exchange) {
  if (!http::grpc::ServerCall::is_grpc(exchange->request())) {
    exchange->respond(415, "this port speaks gRPC\n");
    co_return;
  }
  bool discovery = Ads::serves(exchange->request().path);
  if (!discovery && exchange->request().path != CertificateService::kPath) {
    refuse(std::move(exchange), Code::Unimplemented, "no such method");
    co_return;
  }
  auto identity = co_await authenticator.authenticate(exchange);
  if (!identity) {
    ++metrics.authentication_failures;
    bool denied = identity.error().kind == ErrorKind::Denied || identity.error().kind == ErrorKind::Invalid;
    base::log::warn("{} from {}: {}", discovery ? "ads" : "certificate", exchange->remote().text(),
                    base::printable(identity.error().message));
    refuse(std::move(exchange), denied ? Code::Unauthenticated : Code::Unavailable, identity.error().message);
    co_return;
  }
  if (discovery) {
    co_await ads.serve(std::move(exchange), Ads::Trust::Authenticated, std::move(*identity));
  } else {
    auto call = std::make_shared<http::grpc::ServerCall>(std::move(exchange));
    co_await certificates.create(std::move(call), std::move(*identity));
  }
}

// Anybody may send a review, and the JSON library throws where a field is of another type than it is taken for.
static base::Result<base::Json> judge(Webhooks& webhooks, bool inject, const base::Json& review,
                                      Webhooks::Caller caller) {
  try {
    return inject ? webhooks.inject(review) : webhooks.validate(review, caller);
  } catch (const base::Json::exception& wrong) {
    return base::fail(ErrorKind::Invalid,
                      std::string("a field of the reviewed object has the wrong type: ") + wrong.what());
  }
}

// Bytes that its body will have at most; nullopt: more than any may.
static std::optional<size_t> size_of(const http::RequestHead& request) {
  auto said = request.headers.get("content-length");
  if (!said) return ReviewBudget::kMostOfOne;
  auto size = base::parse_number<size_t>(*said);
  return size && *size <= ReviewBudget::kMostOfOne ? size : std::nullopt;
}

// Whoever calls: no more than it sent, or could read in a pod of its own, comes back, and it gets so much memory and
// time.
static net::Task<void> serve_webhooks(net::Loop& loop, Webhooks& webhooks, std::shared_ptr<ReviewBudget> budget,
                                      std::string word, Exchange exchange) {
  std::string path(exchange->request().path_only());
  const bool inject = path == "/inject" || path.starts_with("/inject/");
  if (!inject && path != "/validate" && !path.starts_with("/validate/")) {
    exchange->respond(404, "webhooks are /inject and /validate\n");
    co_return;
  }
  const auto caller = path == "/validate/" + word ? Webhooks::Caller::ApiServer : Webhooks::Caller::Anyone;
  const auto size = size_of(exchange->request());
  if (!size) {
    exchange->respond(413, "a review has 8 MiB at most\n");
    co_return;
  }
  auto share = budget->take(exchange->remote().ip(), *size);
  if (!share) {
    exchange->respond(429, "too many reviews are on their way\n");
    co_return;
  }
  net::Timer limit(loop, [exchange] { exchange->abort(); });
  limit.arm(kReviewTime);
  auto body = co_await exchange->read_all(share.size());
  limit.cancel();
  if (!body) {
    exchange->respond(body.error().kind == ErrorKind::Exhausted ? 413 : 400, body.error().message + "\n");
    co_return;
  }
  auto review = base::parse_json(*body);
  base::Result<base::Json> answer = std::unexpected(base::Error{ErrorKind::Invalid, "not JSON"});
  if (review) answer = judge(webhooks, inject, *review, caller);
  if (!answer)
    exchange->respond(400, answer.error().message + "\n");
  else
    exchange->respond(200, answer->dump(), "application/json");
}

// Without Kubernetes there is nobody to check a token: then only the loopback is answered.
static net::Task<base::Result<Identity>> who_asks(const Authenticator* authenticator, Exchange exchange) {
  auto token = DebugPages::token_of(exchange->request());
  if (!authenticator || !token) co_return base::fail(ErrorKind::Denied, "no bearer token");
  auto identity = co_await authenticator->of_token(std::move(*token));
  co_return identity;
}

static net::Task<void> serve_pages(const DebugPages& pages, const Authenticator* authenticator, std::string ns,
                                   Exchange exchange) {
  if (!DebugPages::is_open(exchange->request(), exchange->remote())) {
    auto identity = co_await who_asks(authenticator, exchange);
    if (auto refused = DebugPages::refusal(identity, ns)) {
      exchange->respond(std::move(*refused));
      co_return;
    }
  }
  exchange->respond(pages.page(exchange->request()));
}

static net::Task<void> serve_ready(const Ingest& ingest, Exchange exchange) {
  bool known = exchange->request().path_only() == "/ready";
  if (!known)
    exchange->respond(404, "only /ready is here\n");
  else if (ingest.snapshot())
    exchange->respond(200, "ready\n");
  else
    exchange->respond(503, "the configuration has not been read yet\n");
  co_return;
}

base::Result<void> ControlPlane::Parts::open_ports() {
  if (options.plaintext_port >= 0)
    TRY(listen("xDS in clear text", static_cast<uint16_t>(options.plaintext_port),
               [this](Exchange exchange) { return serve_plain(ads, std::move(exchange)); }));
  if (authority) {
    TRY(listen("xDS and certificates", options.secure_port,
               [this](Exchange exchange) {
                 return serve_secure(*authenticator, ads, *certificates, metrics, std::move(exchange));
               },
               {.tls_source = tls(ServingCertificate::For::Proxies)}));
    TRY(listen("webhooks", options.webhook_port,
               [this, word = webhook_word(*authority)](Exchange exchange) {
                 return serve_webhooks(loop, webhooks, reviews, word, std::move(exchange));
               },
               {.tls_source = tls(ServingCertificate::For::Webhooks), .max_connections = 1000}));
  }
  TRY(listen("metrics and debug", options.monitoring_port, [this](Exchange exchange) {
    return serve_pages(pages, authenticator.get(), options.ns, std::move(exchange));
  }));
  return listen("readiness", options.ready_port,
                [this](Exchange exchange) { return serve_ready(ingest, std::move(exchange)); });
}

// The trust domain that certificates carry is the one of the start: changing it
// means new identities for all, which is a restart's business.
static net::Task<std::string> trust_domain_of(kube::Client& api, std::string ns) {
  kube::Resource maps{"", "v1", "configmaps"};
  auto map = co_await api.get(maps, std::move(ns), "istio");
  co_return mesh::mesh_config_of(map ? &*map : nullptr).trust_domain;
}

net::Task<base::Result<void>> ControlPlane::Parts::start_with_kubernetes() {
  kube::Access access = CO_TRY(kube::find_access(options.kubeconfig, options.kube_context));
  api = CO_TRY(kube::Client::make(loop, std::move(access)));
  kubernetes = std::make_unique<KubernetesSource>(*api, ingest, nullptr);
  std::string trust_domain = co_await trust_domain_of(*api, options.ns);
  auto loaded = co_await load_authority(*api, options.ns, trust_domain);
  if (!loaded) co_return std::unexpected(loaded.error());
  authority = std::move(*loaded);
  serving = std::make_unique<ServingCertificate>(*authority, ServingCertificate::names(options.ns, options.revision));
  authenticator = std::make_unique<Authenticator>(*api, trust_domain);
  ads.may_read_secrets = [this](Identity who) { return authenticator->may_read_secrets(std::move(who)); };
  certificates = std::make_unique<CertificateService>(*authority, trust_domain, metrics);
  auto opened = open_ports();
  if (!opened) co_return opened;
  root = std::make_unique<RootCertificate>(*api, authority->root_pem());
  WebhookConfigurations::Service service{options.ns, options.revision, webhook_word(*authority)};
  configurations = std::make_unique<WebhookConfigurations>(*api, std::move(service), authority->root_pem());
  co_return base::Result<void>();
}

ControlPlane::ControlPlane(net::Loop& loop, Options options)
    : parts_(std::make_unique<Parts>(loop, std::move(options))) {}
ControlPlane::~ControlPlane() = default;

net::Task<base::Result<void>> ControlPlane::start() {
  if (parts_->options.config_dir.empty()) {
    auto started = co_await parts_->start_with_kubernetes();
    co_return started;
  }
  parts_->files = CO_TRY(FileSource::open(parts_->loop, parts_->ingest, parts_->options.config_dir));
  co_return parts_->open_ports();
}

}  // namespace control
