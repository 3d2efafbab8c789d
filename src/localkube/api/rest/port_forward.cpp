// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "localkube/api/rest/front.h"
#include "localkube/api/rest/respond.h"
#include "localkube/api/streaming/spdy.h"
#include "localkube/api/streaming/transport.h"

namespace localkube {

namespace {

constexpr std::string_view kTunnel = "SPDY/3.1+portforward.k8s.io";
constexpr std::string_view kProtocol = "portforward.k8s.io";

using SessionPointer = std::shared_ptr<spdy::Session>;
using StreamPointer = std::shared_ptr<spdy::Stream>;
using Connection = std::shared_ptr<net::ByteStream>;

bool offers(const std::string& list, std::string_view protocol) {
  for (std::string_view one : base::split(list, ','))
    if (base::trim(one) == protocol) return true;
  return false;
}

// From the pod to the client.
net::Task<void> copy_back(SessionPointer session, StreamPointer stream, Connection connection,
                          net::Oneshot<bool> done) {
  for (;;) {
    auto piece = co_await connection->read();
    if (!piece || !*piece) break;
    bool sent = co_await session->write(stream, std::move(**piece));
    if (!sent) break;
  }
  bool sent = co_await session->finish(stream);
  done.set(sent);
}

net::Task<void> copy_forth(StreamPointer stream, Connection connection) {
  for (;;) {
    std::optional<std::string> piece = co_await stream->in.next();
    if (!piece) break;
    auto written = co_await connection->write(std::move(*piece));
    if (!written) break;
  }
  if (stream->reset)
    connection->close();
  else
    connection->shutdown_write();
}

struct Forwarding {
  SessionPointer session;
  StreamPointer error, data;
  std::string ns, pod, uid;
  uint16_t port = 0;
};

// One connection: its two streams and the pod's port. kubectl shows what comes on the error stream.
net::Task<void> forward(PodStreams& streams, Forwarding one) {
  auto dialled = co_await streams.dial(one.ns, one.pod, one.port);
  if (!dialled) {
    bool told =
        co_await one.session->write(one.error, "error forwarding port " + std::to_string(one.port) + " to pod " +
                                                   one.pod + ", uid " + one.uid + ": " + dialled.error().message);
    if (told) told = co_await one.session->finish(one.error);
    if (told) told = co_await one.session->finish(one.data);
    co_return;
  }
  Connection connection = std::move(*dialled);
  net::Oneshot<bool> done;
  net::spawn(copy_back(one.session, one.data, connection, done));
  co_await copy_forth(one.data, connection);
  bool ignored = co_await done.wait();
  connection->close();
  ignored = co_await one.session->finish(one.error);
  (void)ignored;
}

}  // namespace

net::Task<void> serve_port_forward(Services& services, RestRequest request) {
  std::shared_ptr<http::Exchange> exchange = request.exchange;
  const http::RequestHead& head = exchange->request();
  Answer<objects::Object> pod = services.registry.read(request.target);
  Refusal refusal;
  bool socket = http::WebSocket::is_websocket(head);
  bool raw = base::to_lower(head.headers.get("upgrade").value_or("")) == "spdy/3.1";
  if (!pod)
    refusal = pod.error();
  else if (!services.streams)
    refusal = unavailable("the pod runtime is not ready");
  else if (base::text(pod->status(), "phase") != "Running")
    refusal = bad_request("unable to forward port because pod is not running. Current status=" +
                          std::string(base::text(pod->status(), "phase")));
  else if (!socket && !raw)
    refusal = bad_request("Upgrade request required");
  else if (socket && !offers(head.headers.joined("sec-websocket-protocol"), kTunnel))
    refusal = bad_request("unable to upgrade: the subprotocol has to be " + std::string(kTunnel));
  if (!refusal.message.empty()) {
    respond_refusal(*exchange, refusal);
    co_return;
  }
  SessionPointer session;
  if (socket) {
    auto accepted = http::WebSocket::accept(*exchange, kTunnel);
    if (!accepted) co_return;
    session = spdy::Session::over(pipe_of(std::shared_ptr<http::WebSocket>(std::move(*accepted))));
  } else {
    http::Headers headers;
    headers.set("connection", "Upgrade");
    headers.set("upgrade", "SPDY/3.1");
    headers.set("x-stream-protocol-version", kProtocol);
    auto stream = exchange->upgrade(std::move(headers));
    if (!stream) co_return;
    session = spdy::Session::over(pipe_of(std::shared_ptr<net::ByteStream>(std::move(*stream))));
  }
  std::map<std::string, StreamPointer> errors;  // by request id, until their data stream comes
  for (;;) {
    StreamPointer stream = co_await session->accept();
    if (!stream) break;
    std::string id = stream->header("requestid");
    if (stream->header("streamtype") == "error") {
      errors[id] = stream;
      continue;
    }
    auto error = errors.extract(id);
    auto port = base::parse_number<uint16_t>(stream->header("port"));
    if (error.empty() || !port || stream->header("streamtype") != "data") {
      bool sent = co_await session->reset(stream);
      (void)sent;
      continue;
    }
    Forwarding one{.session = session,
                   .error = error.mapped(),
                   .data = stream,
                   .ns = request.target.ns,
                   .pod = request.target.name,
                   .uid = std::string(pod->uid()),
                   .port = *port};
    net::spawn(forward(*services.streams, std::move(one)));
  }
}

}  // namespace localkube
