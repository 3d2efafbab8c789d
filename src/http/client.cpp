// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "http/client_core.h"
#include "http/client_h1.h"
#include "http/client_h2.h"

namespace http {

using base::ErrorKind;

namespace {

constexpr size_t kMostIdle = 16;

// The TLS settings with what this version of HTTP needs of ALPN.
base::Result<std::shared_ptr<const net::TlsContext>> context_of(const ClientOptions& options) {
  if (!options.tls) return options.tls;
  const auto& offered = options.tls->settings().alpn;
  const bool has_h2 = std::find(offered.begin(), offered.end(), "h2") != offered.end();
  if (has_h2 == (options.version == Version::Http2)) return options.tls;
  net::TlsSettings settings = options.tls->settings();
  settings.alpn = {options.version == Version::Http2 ? "h2" : "http/1.1"};
  return net::TlsContext::client(settings);
}

// A peer that vanished without a word must not hold a watch for ever.
void keep_alive(int fd) {
  const int on = 1, idle = 30, interval = 10, count = 3;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

}  // namespace

ClientConnection::ClientConnection(ClientCore& core, net::Loop& loop)
    : core_(core), transport_(std::make_unique<net::Connection>(loop, *this)) {}

net::Task<base::Result<void>> ClientConnection::connect(net::Address address) {
  const ClientOptions& options = core_.options;
  net::Connection::Target target;
  target.address = address;
  target.timeout = options.connect_timeout;
  auto ready = ready_;
  auto begun = transport_->connect(target);
  if (!begun) {
    retire(begun.error());
    co_return begun;
  }
  if (!address.is_unix()) keep_alive(transport_->fd());
  if (core_.tls()) {
    transport_->start_tls(core_.tls(), options.server_name.empty() ? options.host : options.server_name);
  }
  base::Result<void> out = co_await ready.wait();
  co_return out;
}

void ClientConnection::on_ready(net::Connection&) {
  auto begun = started();
  if (begun) return ready_.set({});
  retire(begun.error());
}

void ClientConnection::retire(base::Error error) {
  if (std::exchange(retired_, true)) return;
  if (transport_) transport_->close();
  core_.retire(*this);
  on_lost(error);
  ready_.set(std::unexpected(std::move(error)));
}

ClientCore::ClientCore(net::Loop& l, ClientOptions o)
    : loop(l), options(std::move(o)), tls_(context_of(options)), bury_(l, &ClientCore::bury, this) {}

void ClientCore::bury(void* self) {
  auto dead = std::move(static_cast<ClientCore*>(self)->graveyard_);
  dead.clear();
}

// The first address that answers.
net::Task<base::Result<ClientConnection*>> ClientCore::connect() {
  if (!tls_) co_return std::unexpected(tls_.error());
  std::vector<net::Address> addresses;
  if (options.host.starts_with("unix:")) {
    addresses.push_back(CO_TRY(net::Address::parse_host_port(options.host)));
  } else {
    base::Result<std::vector<net::Address>> found = co_await net::resolve(loop, options.host, options.port);
    addresses = CO_TRY(std::move(found));
  }
  base::Error last{ErrorKind::Unavailable, "\"" + options.host + "\" has no address"};
  for (const net::Address& address : addresses) {
    if (stopped_) co_return base::fail(ErrorKind::Closed, "the client has ended");
    std::unique_ptr<ClientConnection> made;
    if (options.version == Version::Http2) {
      made = std::make_unique<ClientHttp2>(*this, loop);
    } else {
      made = std::make_unique<ClientHttp1>(*this, loop);
    }
    ClientConnection* connection = made.get();
    connections_.emplace(connection, std::move(made));
    base::Result<void> ready = co_await connection->connect(address);
    if (ready) co_return connection;
    last = std::move(ready.error());
  }
  co_return std::unexpected(std::move(last));
}

net::Task<base::Result<ClientCore::Opened>> ClientCore::open(RequestHead head, bool fresh) {
  if (head.scheme.empty() || options.tls) head.scheme = options.tls ? "https" : "http";
  if (head.authority.empty()) {
    const bool standard = options.port == (options.tls ? 443 : 80);
    const bool ipv6 = options.host.find(':') != std::string::npos;
    head.authority = options.host.starts_with("unix:") ? "localhost" : ipv6 ? "[" + options.host + "]" : options.host;
    if (!standard && !options.host.starts_with("unix:")) head.authority += ":" + std::to_string(options.port);
  }
  if (stopped_) co_return base::fail(ErrorKind::Closed, "the client has ended");
  if (options.version == Version::Http2) {
    base::Result<Opened> out = co_await open_http2(std::move(head), fresh);
    co_return out;
  }
  base::Result<Opened> out = co_await open_http1(std::move(head), fresh);
  co_return out;
}

net::Task<base::Result<ClientCore::Opened>> ClientCore::open_http1(RequestHead head, bool fresh) {
  if (!fresh && !idle_.empty()) {
    ClientHttp1* kept = idle_.back();
    idle_.pop_back();
    co_return Opened{kept->begin(head), true};
  }
  base::Result<ClientConnection*> made = co_await connect();
  if (!made) co_return std::unexpected(std::move(made.error()));
  co_return Opened{static_cast<ClientHttp1*>(*made)->begin(head), false};
}

// Many may wait here at once: one of them connects, the others for it, and all
// for a free stream.
net::Task<base::Result<ClientCore::Opened>> ClientCore::open_http2(RequestHead head, bool fresh) {
  if (fresh && http2_) no_new_streams(*http2_);
  for (;;) {
    if (stopped_) co_return base::fail(ErrorKind::Closed, "the client has ended");
    if (http2_ && http2_->can_open()) {
      const bool reused = http2_->served();
      co_return Opened{http2_->begin(head), reused};
    }
    if (http2_ && http2_->draining()) http2_ = nullptr;
    if (http2_ || connecting_http2_) {
      net::Oneshot<bool> turn;
      waiting_.push_back(turn);
      co_await turn.wait();
      continue;
    }
    connecting_http2_ = true;
    base::Result<ClientConnection*> made = co_await connect();
    connecting_http2_ = false;
    if (!made) {
      streams_changed();  // each of the others tries for itself
      co_return std::unexpected(std::move(made.error()));
    }
    http2_ = static_cast<ClientHttp2*>(*made);
    auto exchange = http2_->begin(head);
    streams_changed();
    co_return Opened{std::move(exchange), false};
  }
}

void ClientCore::retire(ClientConnection& connection) {
  auto found = connections_.find(&connection);
  if (found == connections_.end()) return;
  graveyard_.push_back(std::move(found->second));
  connections_.erase(found);
  bury_.schedule();
}

void ClientCore::idle(ClientHttp1& connection) {
  idle_.push_back(&connection);
  if (idle_.size() > kMostIdle) idle_.front()->retire({ErrorKind::Closed, "more idle connections than are kept"});
}

void ClientCore::not_idle(ClientHttp1& connection) { std::erase(idle_, &connection); }

void ClientCore::no_new_streams(ClientHttp2& connection) {
  if (http2_ != &connection) return;
  http2_ = nullptr;
  streams_changed();
}

void ClientCore::streams_changed() {
  if (waiting_.empty()) return;
  auto woken = std::exchange(waiting_, {});
  auto self = shared_from_this();
  for (auto& turn : woken) turn.set(true);
}

void ClientCore::stop() {
  stopped_ = true;
  while (!connections_.empty()) {
    connections_.begin()->first->retire({ErrorKind::Closed, "the client has ended"});
  }
  streams_changed();
}

namespace {

// The caller's hold on an exchange.
class Handle final : public ClientStream {
 public:
  explicit Handle(std::shared_ptr<ClientExchange> exchange) : exchange_(std::move(exchange)) {}
  ~Handle() override { exchange_->end({ErrorKind::Closed, "the request was given up"}); }

  net::Task<base::Result<void>> write(std::string bytes) override { return exchange_->write(std::move(bytes)); }
  void finish() override { exchange_->finish(); }
  net::Task<base::Result<ResponseHead>> response() override { return exchange_->response(); }
  net::Task<base::Result<std::optional<std::string>>> read() override { return exchange_->read(); }
  const Headers& trailers() const override { return exchange_->trailers(); }
  void reset() override { exchange_->end({ErrorKind::Closed, "the request was reset on this side"}); }
  base::Result<std::unique_ptr<net::ByteStream>> upgraded() override { return exchange_->upgraded(); }

 private:
  std::shared_ptr<ClientExchange> exchange_;
};

net::Task<base::Result<std::unique_ptr<ClientStream>>> open_stream(std::shared_ptr<ClientCore> core, RequestHead head) {
  base::Result<ClientCore::Opened> opened = co_await core->open(std::move(head), false);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  co_return std::unique_ptr<ClientStream>(std::make_unique<Handle>(std::move(opened->exchange)));
}

net::Task<base::Result<Response>> receive(std::shared_ptr<ClientExchange> exchange, std::string body,
                                          const ClientOptions& options) {
  if (!body.empty()) {
    base::Result<void> written = co_await exchange->write(std::move(body));
    // A server may answer before it has the whole body; the answer counts then.
    if (!written && !exchange->has_head()) co_return std::unexpected(std::move(written.error()));
  }
  exchange->finish();
  base::Result<ResponseHead> head = co_await exchange->response();
  if (!head) co_return std::unexpected(std::move(head.error()));
  Response out;
  static_cast<ResponseHead&>(out) = std::move(*head);
  for (;;) {
    base::Result<std::optional<std::string>> piece = co_await exchange->read();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (!*piece) break;
    if (!options.keeps_body) continue;
    if (out.body.size() + (*piece)->size() > options.largest) {
      co_return base::fail(ErrorKind::Exhausted,
                           "the response is larger than " + std::to_string(options.largest) + " bytes");
    }
    out.body += **piece;
  }
  out.trailers = exchange->trailers();
  co_return out;
}

net::Task<base::Result<Response>> fetch_once(std::shared_ptr<ClientCore> core, Request request, bool fresh,
                                             bool* worth_retrying) {
  RequestHead head = request;
  base::Result<ClientCore::Opened> opened = co_await core->open(std::move(head), fresh);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  auto exchange = opened->exchange;
  Handle handle(exchange);  // resets it, however this ends
  net::Timer timer(core->loop, [&exchange, &core] {
    exchange->end({ErrorKind::Timeout,
                   "no whole response within " + std::to_string(core->options.timeout.count()) + " ms",
                   base::Side::Internal, true});
  });
  timer.arm(core->options.timeout);
  base::Result<Response> out = co_await receive(exchange, std::move(request.body), core->options);
  *worth_retrying = !out && opened->reused && !exchange->has_head() && out.error().kind == ErrorKind::Closed;
  co_return out;
}

net::Task<base::Result<Response>> fetch_whole(std::shared_ptr<ClientCore> core, Request request) {
  const bool has_length = request.headers.contains("content-length");
  if (!has_length && (!request.body.empty() || (request.method != "GET" && request.method != "HEAD"))) {
    request.headers.add("content-length", std::to_string(request.body.size()));
  }
  const bool safe = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
  bool again = false;
  Request copy = safe ? request : Request{};
  base::Result<Response> out = co_await fetch_once(core, std::move(request), false, &again);
  if (again && safe) {
    base::Result<Response> second = co_await fetch_once(core, std::move(copy), true, &again);
    co_return second;
  }
  co_return out;
}

}  // namespace

struct Client::State : ClientCore {
  using ClientCore::ClientCore;
};

Client::Client(net::Loop& loop, ClientOptions options) : state_(std::make_shared<State>(loop, std::move(options))) {}

// It may end inside one of its own callbacks: what is on the stack stays until
// the turn is over.
Client::~Client() {
  state_->stop();
  net::Loop& loop = state_->loop;
  loop.post([state = std::move(state_)] {});
}

net::Task<base::Result<Response>> Client::fetch(Request request) { return fetch_whole(state_, std::move(request)); }

net::Task<base::Result<std::unique_ptr<ClientStream>>> Client::open(RequestHead head) {
  return open_stream(state_, std::move(head));
}

}  // namespace http
