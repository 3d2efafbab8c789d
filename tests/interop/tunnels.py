# SPDX-License-Identifier: Apache-2.0
"""CONNECT, extended CONNECT and WebSocket through a proxy, in every mixture of HTTP/1.1 and HTTP/2, by Python's h2 and plain sockets."""
import base64
import hashlib
import socket
import tempfile
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings
from peers import check, free_port, start, until

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def serve(handle):
    """Calls handle(socket) in a thread for each connection; the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=run, args=(connection,), daemon=True).start()

    def run(connection):
        try:
            with connection:
                handle(connection)
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def head_of(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            break
        head += piece
    head, _, rest = head.partition(b"\r\n\r\n")
    return head, rest


def field(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def websocket_server(connection):
    """Agrees to what has a key, then echoes; "/no" is refused, and what follows there is kept."""
    head, rest = head_of(connection)
    key = field(head, b"sec-websocket-key")
    if b" /no " in head or not key:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        connection.settimeout(1)
        try:
            refused.append(rest + connection.recv(65536))
        except TimeoutError:
            refused.append(rest)
        return
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                       b"sec-websocket-accept: " + accept + b"\r\n\r\nhello")
    if rest:
        connection.sendall(rest)
    echo(connection)


refused = []


class Http2:
    """One HTTP/2 connection with what came on its streams."""

    def __init__(self, connection, client):
        self.socket = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding="utf-8"))
        if not client:
            self.h2.local_settings = h2.settings.Settings(
                client=False, initial_values={h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
        self.h2.initiate_connection()
        self.heads, self.bodies, self.ended, self.reset = {}, {}, set(), set()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def step(self):
        data = self.socket.recv(65536)
        if not data:
            raise OSError("the connection ended")
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, (h2.events.RequestReceived, h2.events.ResponseReceived)):
                self.heads[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.reset.add(event.stream_id)
        self.flush()
        return events

    def send(self, stream, data, end=False):
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data))
            if data and not room:
                self.step()
                continue
            self.h2.send_data(stream, data[:room], end_stream=end and room == len(data))
            self.flush()
            data = data[room:]
            if not data:
                return

    def wait(self, done):
        self.socket.settimeout(10)
        while not done():
            self.step()


def http2_server(connection):
    """Agrees to extended CONNECT, says so in "x-protocol", and echoes."""
    peer = Http2(connection, client=False)
    waiting, ending = {}, set()
    while True:
        for event in peer.step():
            if isinstance(event, h2.events.RequestReceived):
                head = dict(event.headers)
                status = "200" if head.get(":method") == "CONNECT" else "400"
                peer.h2.send_headers(event.stream_id, [(":status", status), ("x-protocol", head.get(":protocol", ""))],
                                     end_stream=status != "200")
            elif isinstance(event, h2.events.DataReceived):
                waiting[event.stream_id] = waiting.get(event.stream_id, b"") + event.data
            elif isinstance(event, h2.events.StreamEnded):
                ending.add(event.stream_id)
        for stream, data in waiting.items():
            while data and (room := min(peer.h2.local_flow_control_window(stream), 16384, len(data))):
                peer.h2.send_data(stream, data[:room])
                data = data[room:]
            waiting[stream] = data
            if not data and stream in ending:
                ending.remove(stream)
                peer.h2.end_stream(stream)
        peer.flush()


BOOTSTRAP = """
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
{listeners}
  clusters:
{clusters}
"""

LISTENER = """  - name: "{name}"
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: "{name}"
          {upgrades}
          http2_protocol_options: {{allow_connect: true}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{routes}]
          http_filters:
          - {{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}
"""

HTTP2 = (', typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": '
         "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
         "{http2_protocol_options: {allow_connect: true}}}}")


def cluster(name, port, more=""):
    return (f"  - {{name: {name}, type: STATIC, connect_timeout: 2s{more}, load_assignment: {{cluster_name: {name}, endpoints: "
            f"[{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}}}\n")


def connect_to(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    return connection


def echoed(connection, data):
    """Sends, ends, and reads until the end."""
    sender = threading.Thread(target=lambda: (connection.sendall(data), connection.shutdown(socket.SHUT_WR)))
    sender.start()
    got = b""
    while piece := connection.recv(65536):
        got += piece
    sender.join()
    return got


def http1_connect(port, name, big):
    with connect_to(port) as c:
        c.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n")
        head, rest = head_of(c)
        framed = field(head, b"content-length") or field(head, b"transfer-encoding")
        check(f"{name}: 200 without a body's framing", head.startswith(b"HTTP/1.1 200") and not framed, head)
        check(f"{name}: {len(big)} bytes come back, and the end", rest + echoed(c, big) == big)


def http1_websocket(port, path, name, greeting):
    with connect_to(port) as c:
        c.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
                  b"sec-websocket-version: 13\r\nsec-websocket-key: " + KEY + b"\r\n\r\n")
        head, rest = head_of(c)
        good = head.startswith(b"HTTP/1.1 101") and (field(head, b"upgrade") or b"").lower() == b"websocket"
        check(f"{name}: 101", good, head)
        c.sendall(b"ping")
        want = greeting + b"ping"
        while len(rest) < len(want):
            rest += c.recv(100) or b"?" * 100
        check(f"{name}: bytes both ways", rest == want, rest)
        return head


def http2_tunnel(port, name, fields, greeting=b"", data=b"ping", half=True):
    with connect_to(port) as c:
        peer = Http2(c, client=True)
        peer.wait(lambda: peer.h2.remote_settings.enable_connect_protocol)
        peer.h2.send_headers(1, fields)
        peer.flush()
        peer.wait(lambda: 1 in peer.heads)
        check(f"{name}: 200", peer.heads[1].get(":status") == "200" and "upgrade" not in peer.heads[1], peer.heads[1])
        if peer.heads[1].get(":status") != "200":
            return peer.heads[1]
        peer.send(1, data, end=half)
        size = len(greeting) + len(data)
        peer.wait(lambda: len(peer.bodies.get(1, b"")) >= size and (not half or 1 in peer.ended | peer.reset))
        check(f"{name}: bytes both ways", peer.bodies[1] == greeting + data, len(peer.bodies[1]))
        return peer.heads[1]


def extended(path, *more):
    return [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path), (":authority", "a"),
            ("sec-websocket-version", "13"), *more]


def drive(proxy):
    ports = {key: free_port() for key in ("admin", "ends", "chain", "plain")}
    allowed = "upgrade_configs: [{upgrade_type: CONNECT}, {upgrade_type: websocket}]"
    ends = ("{match: {connect_matcher: {}}, route: {cluster: tcp, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}, "
            "{match: {prefix: /h2}, route: {cluster: h2}}, {match: {prefix: /}, route: {cluster: ws}}")
    chain = "{match: {connect_matcher: {}}, route: {cluster: next}}, {match: {prefix: /}, route: {cluster: ws}}"
    listeners = (LISTENER.format(name="ends", port=ports["ends"], upgrades=allowed, routes=ends) +
                 LISTENER.format(name="chain", port=ports["chain"], upgrades=allowed, routes=chain) +
                 LISTENER.format(name="plain", port=ports["plain"], upgrades="",
                                 routes="{match: {connect_matcher: {}}, route: {cluster: tcp}}, {match: {prefix: /}, route: {cluster: ws}}"))
    clusters = (cluster("tcp", serve(echo)) + cluster("ws", serve(websocket_server)) +
                cluster("h2", serve(http2_server), HTTP2) + cluster("next", ports["ends"]))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as f:
        f.write(BOOTSTRAP.format(admin=ports["admin"], listeners=listeners, clusters=clusters))
    print("tunnels", flush=True)
    process = start([proxy, "-c", f.name], f.name + ".log")
    if not check("it listens", until(lambda: connect_to(ports["plain"])), open(f.name + ".log").read()):
        return
    big = bytes(range(256)) * 8192  # 2 MiB

    http1_connect(ports["ends"], "CONNECT over HTTP/1.1 that ends here", big)
    http1_connect(ports["chain"], "CONNECT over HTTP/1.1 to the next proxy", big)
    plain = [(":method", "CONNECT"), (":authority", "example.com:443")]
    http2_tunnel(ports["ends"], "CONNECT over HTTP/2 that ends here", plain, data=big)
    http2_tunnel(ports["chain"], "CONNECT over HTTP/2 to the next proxy", plain, data=big)
    http1_websocket(ports["ends"], b"/", "WebSocket, HTTP/1.1 to HTTP/1.1", b"hello")
    head = http1_websocket(ports["ends"], b"/h2", "WebSocket, HTTP/1.1 to HTTP/2", b"")
    check("WebSocket, HTTP/1.1 to HTTP/2: it is an extended CONNECT there", field(head, b"x-protocol") == b"websocket", head)
    check("WebSocket, HTTP/1.1 to HTTP/2: the key is answered",
          field(head, b"sec-websocket-accept") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", head)
    http2_tunnel(ports["ends"], "WebSocket, HTTP/2 to HTTP/1.1", extended("/"), b"hello", half=False)
    http2_tunnel(ports["ends"], "WebSocket with a key, HTTP/2 to HTTP/1.1", extended("/", ("sec-websocket-key", KEY.decode())),
                 b"hello", half=False)
    http2_tunnel(ports["ends"], "WebSocket, HTTP/2 to HTTP/2", extended("/h2"), data=big)

    with connect_to(ports["plain"]) as c:
        c.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n")
        head, _ = head_of(c)
        check("CONNECT where nobody allowed it: 403", head.startswith(b"HTTP/1.1 403"), head)
    with connect_to(ports["plain"]) as c:
        c.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: " + KEY + b"\r\n\r\n")
        head, _ = head_of(c)
        check("WebSocket where nobody allowed it: 403", head.startswith(b"HTTP/1.1 403"), head)
    # what comes before an upstream agreed must not become its next request
    refused.clear()
    with connect_to(ports["ends"]) as c:
        peer = Http2(c, client=True)
        peer.wait(lambda: peer.h2.remote_settings.enable_connect_protocol)
        peer.h2.send_headers(1, extended("/no", ("sec-websocket-key", KEY.decode())))
        peer.h2.send_data(1, b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")
        peer.flush()
        peer.wait(lambda: 1 in peer.ended | peer.reset)
        check("an upstream that refuses gets nothing of the tunnel", peer.heads[1].get(":status") == "403", peer.heads)
        until(lambda: refused, 3)
        check("not a byte", refused == [b""], refused)
    process.terminate()
    check("it ends in order", until(lambda: process.poll() is not None) and process.returncode == 0, process.returncode)
