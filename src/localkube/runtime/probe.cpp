// SPDX-License-Identifier: Apache-2.0
#include "localkube/runtime/probe.h"

#include <signal.h>

#include "http/client.h"
#include "http/grpc.h"
#include "localkube/fields.h"
#include "localkube/shim/pump.h"

namespace localkube {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;

// A port by number, or by the name that one of the container's ports has.
base::Result<uint16_t> port_of(const base::Json& container, const base::Json& action) {
  const base::Json* port = base::find(action, "port");
  if (port && port->is_number()) return port->get<uint16_t>();
  std::string name = port && port->is_string() ? port->get<std::string>() : "";
  for (const base::Json& known : items(container, "ports"))
    if (base::text(known, "name") == name) return static_cast<uint16_t>(number(known, "containerPort"));
  if (auto digits = base::parse_number<uint16_t>(name)) return *digits;
  return base::fail(ErrorKind::Invalid, "no port \"" + name + "\"");
}

std::string host_of(const base::Json& action, const Sandbox& sandbox) {
  std::string host = string_at(action, "host");
  return host.empty() ? sandbox.address() : host;
}

constexpr size_t kMostRead = 10 * 1024;  // of an answer's body, as the kubelet does

// A client that is given up when the time is over, wherever it then stands: at
// the TLS handshake, or in a body that does not end.
class HurriedClient {
 public:
  HurriedClient(net::Loop& loop, const http::ClientOptions& options)
      : client_(std::make_unique<http::Client>(loop, options)), timeout_(options.timeout), timer_(loop, [this] {
          late_ = true;
          client_.reset();
        }) {
    timer_.arm(timeout_);
  }

  http::Client& client() { return *client_; }  // only before anything was awaited
  std::string why(const base::Error& error) const {
    return late_ ? "no whole answer within " + std::to_string(timeout_.count()) + " ms" : error.message;
  }

 private:
  std::unique_ptr<http::Client> client_;
  const milliseconds timeout_;
  bool late_ = false;
  net::Timer timer_;
};

// The status of the answer; of the body no more is read than is looked at.
net::Task<base::Result<int>> status_of(http::Client& client, http::RequestHead request) {
  auto stream = co_await client.open(std::move(request));
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  (*stream)->finish();
  auto head = co_await (*stream)->response();
  if (!head) co_return std::unexpected(std::move(head.error()));
  for (size_t bytes = 0; bytes < kMostRead;) {
    auto piece = co_await (*stream)->read();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (!*piece) break;
    bytes += (*piece)->size();
  }
  co_return head->status;
}

net::Task<base::Result<void>> get(Node& node, std::shared_ptr<Sandbox> sandbox, ActionOrder order, base::Json action) {
  auto port = port_of(order.container, action);
  if (!port) co_return std::unexpected(std::move(port.error()));
  http::ClientOptions options{.host = host_of(action, *sandbox), .port = *port};
  options.connect_timeout = options.timeout = order.timeout;
  bool secure = base::text(action, "scheme") == "HTTPS";
  if (secure) {
    net::TlsSettings settings;
    settings.verify_peer = false;
    auto tls = net::TlsContext::client(settings);
    if (!tls) co_return std::unexpected(std::move(tls.error()));
    options.tls = *tls;
  }
  HurriedClient asks(node.loop, options);
  http::RequestHead request;
  request.path = string_at(action, "path");
  if (!request.path.starts_with('/')) request.path = "/" + request.path;
  request.headers.add("user-agent", "kube-probe/1.33");
  request.headers.add("accept", "*/*");
  request.headers.add("connection", "close");
  for (const base::Json& header : items(action, "httpHeaders")) {
    std::string name = base::to_lower(base::text(header, "name"));
    if (name == "host")
      request.authority = string_at(header, "value");
    else
      request.headers.set(name, base::text(header, "value"));
  }
  auto status = co_await status_of(asks.client(), std::move(request));
  if (!status)
    co_return base::fail(ErrorKind::Unavailable, "Get \"" + std::string(secure ? "https" : "http") + "://" +
                                                     options.host + ":" + std::to_string(*port) +
                                                     string_at(action, "path") + "\": " + asks.why(status.error()));
  if (*status >= 200 && *status < 400) co_return base::Result<void>();
  co_return base::fail(ErrorKind::Unavailable, "HTTP probe failed with statuscode: " + std::to_string(*status));
}

net::Task<base::Result<void>> dial(Node& node, std::shared_ptr<Sandbox> sandbox, ActionOrder order, base::Json action) {
  auto port = port_of(order.container, action);
  if (!port) co_return std::unexpected(std::move(port.error()));
  auto address = net::Address::parse(host_of(action, *sandbox), *port);
  if (!address) co_return std::unexpected(std::move(address.error()));
  net::ConnectOptions options;
  options.timeout = order.timeout;
  auto stream = co_await net::connect(node.loop, *address, std::move(options));
  if (!stream) co_return std::unexpected(std::move(stream.error()));
  (*stream)->close();
  co_return base::Result<void>();
}

net::Task<base::Result<void>> check_health(Node& node, std::shared_ptr<Sandbox> sandbox, ActionOrder order,
                                           base::Json action) {
  http::ClientOptions options{.host = sandbox->address(), .port = static_cast<uint16_t>(number(action, "port"))};
  options.version = http::Version::Http2;
  options.connect_timeout = options.timeout = order.timeout;
  HurriedClient asks(node.loop, options);
  // grpc.health.v1.HealthCheckRequest{service = 1} and HealthCheckResponse{status = 1: SERVING}
  std::string service = string_at(action, "service"), message;
  if (!service.empty() && service.size() < 128)
    message = std::string("\x0a") + static_cast<char>(service.size()) + service;
  auto answer = co_await http::grpc::call(asks.client(), "/grpc.health.v1.Health/Check", std::move(message));
  if (!answer) co_return base::fail(ErrorKind::Unavailable, "service unhealthy: " + asks.why(answer.error()));
  if (*answer != "\x08\x01")
    co_return base::fail(ErrorKind::Unavailable, "service unhealthy (responded with \"NOT_SERVING\")");
  co_return base::Result<void>();
}

net::Task<void> kill_late(Node& node, std::weak_ptr<Sandbox> sandbox, int64_t exec, milliseconds after,
                          net::Oneshot<int> exited) {
  co_await net::sleep(node.loop, after);
  if (exited.is_set()) co_return;
  if (auto there = sandbox.lock()) there->signal_exec(exec, SIGKILL);
}

net::Task<base::Result<void>> run(Node& node, std::shared_ptr<Sandbox> sandbox, ActionOrder order, base::Json action) {
  Sandbox::ExecOrder exec{.container = string_at(order.container, "name")};
  for (const base::Json& word : items(action, "command"))
    if (word.is_string()) exec.argv.push_back(word.get<std::string>());
  auto session = co_await sandbox->exec(std::move(exec));
  if (!session) co_return std::unexpected(std::move(session.error()));
  std::string said;
  auto keep = [&said](std::string_view bytes) { said += bytes.substr(0, 4096 - std::min<size_t>(4096, said.size())); };
  PipeReader out(node.loop, std::move(session->ends.at(1)), {.data = keep, .ended = [] {}});
  PipeReader err(node.loop, std::move(session->ends.at(2)), {.data = keep, .ended = [] {}});
  auto exited = session->exited;
  auto copy = exited;
  net::spawn(kill_late(node, sandbox, session->id, order.timeout, std::move(copy)));
  int code = co_await exited.wait();
  out.drain();
  err.drain();
  if (code == 0) co_return base::Result<void>();
  co_return base::fail(ErrorKind::Unavailable, said.empty() ? "command exited with " + std::to_string(code) : said);
}

}  // namespace

net::Task<base::Result<void>> act(Node& node, std::shared_ptr<Sandbox> sandbox, ActionOrder order) {
  using Act = net::Task<base::Result<void>> (*)(Node&, std::shared_ptr<Sandbox>, ActionOrder, base::Json);
  static constexpr std::pair<const char*, Act> kActions[] = {
      {"httpGet", get}, {"tcpSocket", dial}, {"exec", run}, {"grpc", check_health}};
  for (const auto& [name, how] : kActions) {
    const base::Json* found = base::find(order.action, name);
    if (!found) continue;
    base::Json action = *found;
    auto result = co_await how(node, std::move(sandbox), std::move(order), std::move(action));
    co_return result;
  }
  if (const base::Json* rest = base::find(order.action, "sleep")) {
    auto seconds = std::chrono::seconds(number(*rest, "seconds"));
    co_await net::sleep(node.loop, seconds);
  }
  co_return base::Result<void>();
}

struct Prober::State {
  Node& node;
  std::weak_ptr<Sandbox> sandbox;
  Kind kind;
  base::Json container;
  base::Json probe;
  Calls calls;
  bool stopped = false;

  milliseconds seconds(const char* key, int64_t otherwise) const {
    return std::chrono::seconds(number_or(probe, otherwise, key));
  }
};

static const char* field_of(Prober::Kind kind) {
  switch (kind) {
    case Prober::Kind::Startup:
      return "startupProbe";
    case Prober::Kind::Liveness:
      return "livenessProbe";
    case Prober::Kind::Readiness:
      return "readinessProbe";
  }
  return "";
}

Prober::Prober(Node& node, std::shared_ptr<Sandbox> sandbox, Kind kind, const base::Json& container, Calls calls)
    : state_(std::make_shared<State>(State{.node = node,
                                           .sandbox = sandbox,
                                           .kind = kind,
                                           .container = container,
                                           .probe = fields(container, field_of(kind)),
                                           .calls = std::move(calls)})) {
  net::spawn(run(state_));
}

Prober::~Prober() { state_->stopped = true; }

net::Task<void> Prober::run(std::shared_ptr<State> state) {
  constexpr milliseconds kFirstPause{10};
  milliseconds period = std::max<milliseconds>(state->seconds("periodSeconds", 10), std::chrono::seconds(1));
  milliseconds timeout = std::max<milliseconds>(state->seconds("timeoutSeconds", 1), std::chrono::seconds(1));
  milliseconds pause = kFirstPause, initial = state->seconds("initialDelaySeconds", 0);
  int64_t failures_wanted = number_or(state->probe, 3, "failureThreshold");
  int64_t successes_wanted = number_or(state->probe, 1, "successThreshold");
  int64_t failures = 0, successes = 0;
  bool succeeded_once = false;
  auto& loop = state->node.loop;
  // A delay before readiness is only a guess at how long the program takes; trying early costs nothing.
  bool eager = state->kind != Kind::Liveness;
  if (initial.count() > 0 && !eager) co_await net::sleep(loop, initial);
  auto next_counted = net::Clock::now() + std::max(period, initial);
  while (!state->stopped) {
    auto sandbox = state->sandbox.lock();
    if (!sandbox) co_return;
    ActionOrder order{.action = state->probe, .container = state->container, .timeout = timeout};
    auto result = co_await act(state->node, std::move(sandbox), std::move(order));
    if (state->stopped) co_return;
    auto now = net::Clock::now();
    bool counts = !eager || succeeded_once || now >= next_counted;
    if (result) {
      failures = 0;
      succeeded_once = true;
      if (++successes == successes_wanted) state->calls.changed(true);
      if (state->kind == Kind::Startup && successes >= successes_wanted) co_return;
    } else if (counts) {
      successes = 0;
      next_counted = now + period;
      state->calls.failed(result.error().message);
      if (!state->stopped && ++failures == failures_wanted) state->calls.changed(false);
    }
    if (state->stopped) co_return;
    milliseconds rest = eager && !succeeded_once && pause < period ? pause : period;
    co_await net::sleep(loop, rest);
    pause = std::min(pause * 3 / 2 + milliseconds(5), milliseconds(500));
  }
}

}  // namespace localkube
