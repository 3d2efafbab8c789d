// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "agent/certificates.h"
#include "agent/environment.h"
#include "agent/file_secrets.h"
#include "agent/pilot_agent.h"
#include "agent/status.h"
#include "base/log.h"
#include "capture/rules.h"
#include "net/loop.h"
#include "proxy/runtime/control_plane.h"
#include "proxy/runtime/handover.h"
#include "proxy/runtime/options.h"
#include "proxy/runtime/signals.h"

namespace {

int fail(const base::Error& error) {
  fprintf(stderr, "seine-proxy: %s\n", error.message.c_str());
  return 1;
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  return !arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h");
}

int run_capture(const std::vector<std::string>& arguments) {
  const bool asks = asks_for_help(arguments);
  if (asks || arguments.empty()) {  // never by accident: it is the whole namespace's traffic
    fputs(
        "usage: seine-proxy capture --proxy-uid UID [--proxy-gid GID] [--outbound-port 15001] [--inbound-port 15006]\n"
        "  [--include-inbound-ports LIST|*] [--exclude-inbound-ports LIST] [--include-outbound-ports LIST]\n"
        "  [--exclude-outbound-ports LIST] [--include-outbound-cidrs LIST|*] [--exclude-outbound-cidrs LIST]\n"
        "Redirects the TCP traffic of the network namespace that it runs in;\n"
        "`nft delete table inet seine-capture` undoes that.\n",
        asks ? stdout : stderr);
    return asks ? 0 : 2;
  }
  auto rules = capture::parse_rules(arguments);
  if (!rules) return fail(rules.error());
  auto applied = capture::apply(*rules);
  if (!applied) return fail(applied.error());
  printf("traffic is captured: outbound to %u, inbound to %u\n", rules->outbound_port, rules->inbound_port);
  return 0;
}

// What is wrong with what the file says, or with doing it.
int fail_with(const proxy::Options& options, const base::Error& error) {
  const std::string& path = options.process.config_path;
  return fail({error.kind, path.empty() ? error.message : path + ": " + error.message});
}

// From here on what is said on standard error goes to the file, access logs to /dev/stderr with it.
base::Result<void> move_log(const std::string& path) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0 || dup2(file, STDERR_FILENO) < 0) return std::unexpected(base::system_error("open log " + path, errno));
  ::close(file);
  return {};
}

// The bootstrap of the file, with what was given on the command line over it.
base::Result<proxy::Bootstrap> read_configured(const proxy::Options& options) {
  if (options.process.config_path.empty()) return proxy::parse_bootstrap(options.config_yaml, options.unknown);
  auto bootstrap = proxy::read_bootstrap(options.process.config_path, options.unknown);
  if (!bootstrap || options.config_yaml.empty()) return bootstrap;
  auto over = proxy::parse_bootstrap(options.config_yaml, options.unknown);
  if (!over) return over;
  bootstrap->MergeFrom(*over);
  return bootstrap;
}

// What this process serves, and does not until everything of it is there, is its predecessor's until then.
net::Task<void> take_over_once_ready(net::Loop& loop, proxy::Process& process, proxy::Handover& handover) {
  while (!process.not_ready().empty()) co_await net::sleep(loop, std::chrono::milliseconds(20));
  handover.ready();
}

// Stand-alone: what a bootstrap file says.
int run_proxy(const std::vector<std::string>& arguments) {
  auto options = proxy::Options::parse(arguments);
  if (!options) return fail(options.error());
  if (options->help || options->version) {
    fputs(options->help ? std::string(proxy::Options::help_text()).c_str() : "seine-proxy " SEINE_VERSION "\n", stdout);
    return 0;
  }
  base::start_log("proxy", options->process.log_level);
  if (!options->log_path.empty())
    if (auto moved = move_log(options->log_path); !moved) return fail(moved.error());
  auto bootstrap = read_configured(*options);
  if (!bootstrap) return fail(bootstrap.error());
  auto& node = *bootstrap->mutable_node();
  if (node.id().empty()) node.set_id(options->service_node);
  if (node.cluster().empty()) node.set_cluster(options->service_cluster);
  if (node.locality().zone().empty() && !options->service_zone.empty())
    node.mutable_locality()->set_zone(options->service_zone);
  if (options->mode == proxy::Options::Mode::Validate) {
    auto good = proxy::validate(*bootstrap);
    if (!good) return fail_with(*options, good.error());
    printf("configuration '%s' OK\n", options->process.config_path.c_str());
    return 0;
  }
  for (const std::string& flag : options->unheeded) base::log::warn("{} does nothing here", flag);
  if (!bootstrap->admin().access_log().empty() || !bootstrap->admin().access_log_path().empty())
    base::log::warn("admin.access_log: requests to the admin port are not logged");
  net::Loop loop;
  proxy::Signals signals(loop);
  base::log::info("starting seine-proxy {}, concurrency {}", SEINE_VERSION, options->process.concurrency);
  proxy::Process process(loop, options->process, std::move(*bootstrap));
  std::unique_ptr<proxy::Handover> handover;
  if (options->handover) {
    auto made = proxy::Handover::make(loop, *options->handover);
    if (!made) return fail(made.error());
    handover = std::move(*made);
    process.configuration().inherit = [&](const net::Address& address) { return handover->take(address); };
  }
  auto started = process.start();
  if (!started) return fail_with(*options, started.error());
  if (process.admin_address().valid()) base::log::info("admin at {}", process.admin_address().text());
  if (!options->admin_address_path.empty() &&
      !(std::ofstream(options->admin_address_path) << process.admin_address().text() << std::flush))
    return fail(
        {base::ErrorKind::Invalid, "--admin-address-path " + options->admin_address_path + " cannot be written"});
  auto control_plane = proxy::ControlPlane::of(loop, process.bootstrap(), process.configuration());
  if (!control_plane) return fail(control_plane.error());
  process.control_plane = control_plane->get();
  signals.serve(process);
  if (handover) {
    handover->serve(process, [&] { loop.stop(); });
    net::spawn(take_over_once_ready(loop, process, *handover));
  }
  loop.run();
  return 0;
}

proxy::Resource secret_resource(envoy::extensions::transport_sockets::tls::v3::Secret secret,
                                const std::string& version) {
  proxy::Resource out{.name = secret.name(), .version = version};
  out.body.PackFrom(secret);
  return out;
}

// The agent's certificate, under the names that istiod's resources ask for.
void take_credentials(proxy::Configuration& configuration, const agent::Credentials& credentials) {
  envoy::extensions::transport_sockets::tls::v3::Secret own, roots;
  own.set_name("default");
  own.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string(credentials.certificate_chain);
  own.mutable_tls_certificate()->mutable_private_key()->set_inline_string(credentials.private_key);
  roots.set_name("ROOTCA");
  roots.mutable_validation_context()->mutable_trusted_ca()->set_inline_string(credentials.roots);
  std::string version = std::to_string(std::hash<std::string>{}(credentials.certificate_chain));
  std::vector<proxy::Resource> secrets{secret_resource(std::move(own), version),
                                       secret_resource(std::move(roots), version)};
  for (const auto& rejection :
       configuration.update(proxy::Kind::Secret, secrets, {}, proxy::Configuration::From::Bootstrap))
    base::log::error("secret {}: {}", rejection.name, rejection.reason);
}

// What the agent read of the pod's files; an error: the proxy cannot use it.
base::Result<void> take_file_secret(proxy::Configuration& configuration, const agent::FileSecret& from) {
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.set_name(from.name);
  if (from.roots.empty()) {
    secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_bytes(from.certificate_chain);
    secret.mutable_tls_certificate()->mutable_private_key()->set_inline_bytes(from.private_key);
  } else {
    secret.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(from.roots);
    if (!from.revoked.empty()) secret.mutable_validation_context()->mutable_crl()->set_inline_bytes(from.revoked);
  }
  const size_t version = std::hash<std::string>{}(from.certificate_chain + from.roots + from.revoked);
  std::vector<proxy::Resource> secrets{secret_resource(std::move(secret), std::to_string(version))};
  for (const auto& rejection :
       configuration.update(proxy::Kind::Secret, secrets, {}, proxy::Configuration::From::Bootstrap))
    return base::fail(base::ErrorKind::Invalid, rejection.reason);
  return {};
}

proxy::Workload workload_of(const agent::Environment& environment) {
  auto label = [&](const char* name) {
    auto it = environment.labels.find(name);
    return it == environment.labels.end() ? std::string() : it->second;
  };
  proxy::Workload out{.name = std::string(base::text(environment.metadata, "WORKLOAD_NAME")),
                      .ns = environment.ns,
                      .app = label("app"),
                      .version = label("version")};
  out.canonical_service = label("service.istio.io/canonical-name");
  if (out.canonical_service.empty()) out.canonical_service = out.app.empty() ? out.name : out.app;
  out.canonical_revision = label("service.istio.io/canonical-revision");
  if (out.canonical_revision.empty()) out.canonical_revision = out.version.empty() ? "latest" : out.version;
  out.cluster = base::text(environment.metadata, "CLUSTER_ID");
  out.principal = environment.uri();
  return out;
}

proxy::Bootstrap bootstrap_of(const agent::Environment& environment) {
  proxy::Bootstrap out;
  *out.mutable_node() = agent::node_of(environment);
  auto& admin = *out.mutable_admin()->mutable_address()->mutable_socket_address();
  admin.set_address("127.0.0.1");
  admin.set_port_value(15000);
  return out;
}

// A connection to the control plane: TLS with the mesh's root, this workload's
// certificate as soon as there is one, and its token.
base::Result<xds::AdsClient::Dial> dial(net::Loop& loop, const agent::Environment& environment,
                                        const agent::Certificates& certificates) {
  auto target = TRY(agent::split_address(environment.discovery_address));
  const std::string token = TRY(agent::read_secret(environment.token_file));
  net::TlsSettings tls{.trusted_roots = TRY(agent::read_secret(environment.root_file)), .alpn = {"h2"}};
  if (const auto& credentials = certificates.current()) {
    tls.certificate_chain = credentials->certificate_chain;
    tls.private_key = credentials->private_key;
  }
  http::ClientOptions options{.host = target.first, .port = target.second, .version = http::Version::Http2};
  options.tls = TRY(net::TlsContext::client(tls));
  options.server_name = target.first;
  // Short: while a control plane restarts, its Service still leads to the address that is gone.
  options.connect_timeout = std::chrono::seconds(1);
  xds::AdsClient::Dial out;
  out.metadata.add("authorization", "Bearer " + token);
  out.client = std::make_unique<http::Client>(loop, std::move(options));
  return out;
}

net::Task<std::string> metrics_of(const proxy::Process& process) { co_return process.scrape().prometheus(); }

// Beside an application, or as a gateway, in a mesh.
int run_in_mesh(agent::Role role, const std::vector<std::string>& arguments) {
  if (asks_for_help(arguments)) {
    printf(
        "usage: seine-proxy %s [-l LEVEL]\n"
        "Serves what the control plane says. The pod's template sets the rest in the environment, as the injector and\n"
        "the gateway's manifest write it: POD_NAME, POD_NAMESPACE, INSTANCE_IP (needed), SERVICE_ACCOUNT, "
        "TRUST_DOMAIN,\n"
        "CA_ADDR and PROXY_CONFIG.\n",
        role == agent::Role::Sidecar ? "sidecar" : "router");
    return 0;
  }
  std::string level = "info";
  for (size_t i = 0; i + 1 < arguments.size(); ++i)
    if (arguments[i] == "-l" || arguments[i] == "--log-level" || arguments[i] == "--proxyLogLevel")
      level = arguments[i + 1];
  base::start_log("proxy", level);
  auto environment =
      agent::read_environment(role, [](const char* name) { return static_cast<const char*>(std::getenv(name)); });
  if (!environment) return fail(environment.error());

  net::Loop loop;
  proxy::Signals signals(loop);
  proxy::ProcessOptions options{
      .concurrency = environment->concurrency > 0 ? static_cast<unsigned>(environment->concurrency) : 1u,
      .log_level = level,
      .exit_drain = environment->drain,
      .istio_metrics = true,
      .self = workload_of(*environment),
      .node_id = agent::node_of(*environment).id()};
  base::log::info("starting seine-proxy {}, concurrency {}", SEINE_VERSION, options.concurrency);
  proxy::Process process(loop, std::move(options), bootstrap_of(*environment));
  auto started = process.start();
  if (!started) return fail(started.error());

  agent::Certificates certificates(loop, *environment, [&](const agent::Credentials& credentials) {
    take_credentials(process.configuration(), credentials);
  });
  agent::FileSecrets files(
      loop, [&](const agent::FileSecret& secret) { return take_file_secret(process.configuration(), secret); },
      [&](const std::string& name) { process.configuration().give_up(proxy::Kind::Secret, name); });
  proxy::ControlPlane::Options settings{.variant = xds::Variant::Delta, .node = process.bootstrap().node()};
  settings.listeners->initial_fetch = settings.clusters->initial_fetch = {};  // without them it is not ready
  settings.own_secret = [&](const std::string& name) {
    if (!agent::is_file_secret(name)) return name == "default" || name == "ROOTCA";
    loop.post([&, name] { files.want(name); });
    return true;
  };
  proxy::ControlPlane control_plane(loop, process.configuration(), std::move(settings),
                                    [&] { return dial(loop, *environment, certificates); });
  agent::Status status(
      loop, *environment,
      {.ready = [&] { return process.not_ready().empty(); }, .metrics = [&] { return metrics_of(process); }});
  process.control_plane = &control_plane;
  auto listening = status.listen({});
  if (!listening) return fail(listening.error());
  base::log::info("{} of {}/{}, control plane {}", role == agent::Role::Sidecar ? "sidecar" : "gateway",
                  environment->ns, environment->pod, environment->discovery_address);
  signals.serve(process);
  loop.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // What is malformed is told by who refuses it: protobuf's own lines would let every peer fill the log.
  google::protobuf::SetLogHandler(nullptr);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string_view self = argv[0];
  if (self.substr(self.rfind('/') + 1) == "pilot-agent") return agent::run_pilot_agent(arguments);
  const std::string first = arguments.empty() ? "" : arguments[0];
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (first == "capture") return run_capture(rest);
  if (first == "sidecar") return run_in_mesh(agent::Role::Sidecar, rest);
  if (first == "router") return run_in_mesh(agent::Role::Router, rest);
  return run_proxy(arguments);
}
