// SPDX-License-Identifier: Apache-2.0
#include "agent/certificates.h"

#include <fstream>
#include <random>
#include <sstream>

#include "base/log.h"
#include "base/strings.h"
#include "http/grpc.h"
#include "identity/csr.h"
#include "identity/keys.h"
#include "istio/security/v1alpha1/ca.pb.h"

namespace agent {

using base::ErrorKind;

constexpr std::chrono::seconds kLifetime{24 * 3600};
constexpr std::chrono::milliseconds kRootLook{2000};  // how often the root's file is looked at

struct Certificates::State {
  net::Loop& loop;
  Environment environment;
  Renewed renewed;
  std::optional<Credentials> current;
  std::string trusted;  // the mesh's root as it was when `current` was asked for
  bool stopped = false;
  std::chrono::milliseconds delay{50};
  std::minstd_rand dice{std::random_device{}()};
};

base::Result<std::pair<std::string, uint16_t>> split_address(std::string_view address) {
  size_t colon = address.rfind(':');
  auto port = colon == address.npos ? std::nullopt : base::parse_number<uint16_t>(address.substr(colon + 1));
  if (!port || colon == 0) return base::fail(ErrorKind::Invalid, "\"" + std::string(address) + "\" is not HOST:PORT");
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::pair(std::string(host), *port);
}

base::Result<std::string> read_secret(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return base::fail(ErrorKind::NotFound, path + " cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  std::string out = text.str();
  if (base::trim(out).empty()) return base::fail(ErrorKind::Invalid, path + " is empty");
  return out;
}

// A connection to the authority that trusts nothing but the mesh's root.
static base::Result<std::unique_ptr<http::Client>> dial(net::Loop& loop, const Environment& environment,
                                                        const std::string& roots) {
  auto [host, port] = TRY(split_address(environment.ca_address));
  net::TlsSettings tls{.trusted_roots = roots, .alpn = {"h2"}};
  http::ClientOptions options{.host = host, .port = port, .version = http::Version::Http2};
  options.tls = TRY(net::TlsContext::client(tls));
  options.connect_timeout = std::chrono::seconds(1);  // as for xDS: it may have just moved
  return std::make_unique<http::Client>(loop, std::move(options));
}

struct Order {
  std::unique_ptr<http::Client> client;
  std::string roots;
  std::string key;
  std::string request;
  http::Headers metadata;
};

static base::Result<Order> order_of(const Certificates::State& state) {
  Order order;
  order.roots = TRY(read_secret(state.environment.root_file));
  std::string token = TRY(read_secret(state.environment.token_file));
  order.client = TRY(dial(state.loop, state.environment, order.roots));
  auto key = TRY(identity::PrivateKey::generate(identity::KeyType::EcP256));
  istio::v1::auth::IstioCertificateRequest request;
  request.set_csr(TRY(identity::make_csr(key, state.environment.uri())));
  request.set_validity_duration(kLifetime.count());
  order.key = key.pem();
  order.request = request.SerializeAsString();
  order.metadata.add("authorization", "Bearer " + std::string(base::trim(token)));
  order.metadata.add("clusterid", base::text(state.environment.metadata, "CLUSTER_ID"));
  return order;
}

static base::Result<Credentials> credentials_of(const std::string& response, std::string key) {
  istio::v1::auth::IstioCertificateResponse parsed;
  if (!parsed.ParseFromString(response) || parsed.cert_chain_size() < 2)
    return base::fail(ErrorKind::Invalid, "the certificate authority sent no certificate chain");
  Credentials out{.private_key = std::move(key)};
  // Leaf first, root last.
  for (int i = 0; i + 1 < parsed.cert_chain_size(); ++i) {
    out.certificate_chain += parsed.cert_chain(i);
    if (!out.certificate_chain.ends_with('\n')) out.certificate_chain += '\n';
  }
  out.roots = parsed.cert_chain(parsed.cert_chain_size() - 1);
  return out;
}

// How long until the certificate should be replaced: half of its life, a little scattered.
static std::chrono::milliseconds until_renewal(const Credentials& credentials, std::minstd_rand& dice) {
  auto leaf = identity::Certificate::from_pem(credentials.certificate_chain);
  if (!leaf) return std::chrono::seconds(1);
  auto life = leaf->not_after - leaf->not_before;
  double ratio = 0.5 + (static_cast<double>(dice() % 2001) - 1000) / 100'000;
  auto due = leaf->not_before + std::chrono::duration_cast<identity::WallClock::duration>(life * ratio);
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(due - identity::WallClock::now());
  return std::max(left, std::chrono::milliseconds(1000));
}

static net::Task<base::Result<Credentials>> obtain(std::shared_ptr<Certificates::State> state) {
  auto order = order_of(*state);
  if (!order) co_return std::unexpected(order.error());
  state->trusted = order->roots;
  auto response = co_await http::grpc::call(*order->client, "/istio.v1.auth.IstioCertificateService/CreateCertificate",
                                            order->request, order->metadata);
  if (!response) co_return std::unexpected(response.error());
  co_return credentials_of(*response, order->key);
}

// A mesh that was installed anew has another root, under which the old certificate means nothing.
static bool root_changed(const Certificates::State& state) {
  auto roots = read_secret(state.environment.root_file);
  return roots && *roots != state.trusted;
}

static net::Task<void> wait(std::shared_ptr<Certificates::State> state, std::chrono::milliseconds left) {
  while (left.count() > 0 && !state->stopped && !root_changed(*state)) {
    auto step = std::min(left, kRootLook);
    co_await net::sleep(state->loop, step);
    left -= step;
  }
}

static net::Task<void> keep_fresh(std::shared_ptr<Certificates::State> state) {
  while (!state->stopped) {
    auto credentials = co_await obtain(state);
    if (state->stopped) co_return;
    std::chrono::milliseconds pause;
    if (credentials) {
      state->current = std::move(*credentials);
      state->delay = std::chrono::milliseconds(50);
      state->renewed(*state->current);
      pause = until_renewal(*state->current, state->dice);
      base::log::info("ca: certificate for {} obtained, next in {} s", state->environment.uri(), pause.count() / 1000);
      co_await wait(state, pause);
    } else {
      base::log::warn("ca: {}: {}", state->environment.ca_address, base::printable(credentials.error().message));
      pause =
          state->delay + std::chrono::milliseconds(state->dice() % static_cast<unsigned>(state->delay.count() / 2 + 1));
      state->delay = std::min(state->delay * 2, std::chrono::milliseconds(10'000));
      co_await net::sleep(state->loop, pause);
    }
  }
}

Certificates::Certificates(net::Loop& loop, const Environment& environment, Renewed renewed)
    : state_(new State{.loop = loop, .environment = environment, .renewed = std::move(renewed), .current = {}}) {
  net::spawn(keep_fresh(state_));
}

Certificates::~Certificates() { state_->stopped = true; }

const std::optional<Credentials>& Certificates::current() const { return state_->current; }

}  // namespace agent
