#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peers that mean no good, against one seine-proxy: python3 tests/hostile/run.py --bin DIRECTORY [--idle N]

Each attack must end in an answer, a reset or a closed connection, at little cost, and the proxy must
serve the next peer as if nothing had been. Under a minute.
"""
import argparse
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peers  # noqa: E402
from peers import *  # noqa: E402,F403

HTTP = """
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hostile
          request_headers_timeout: 1s
          request_timeout: 2s
          stream_idle_timeout: 3s
          common_http_protocol_options: {idle_timeout: 60s}
          route_config: {name: r, virtual_hosts: [{name: a, domains: ['*'], routes: [{match: {path: /big}, direct_response: {status: 200, body: {inline_string: "@big"}}}, {match: {prefix: /}, route: {cluster: c}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
""".replace("@big", "x" * 2000)


def bootstrap(port, backend, tls=""):
    return f"""
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    tcp_backlog_size: 1024
    filter_chains:
    - filters:
      - name: http{HTTP}
{tls}
  clusters:
  - name: c
    type: STATIC
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]}}
"""


# Forms by which two parsers may disagree about where a message ends or what it says: (name, bytes).
# All are refused with 400 (or what stands there), the connection ends, and nothing of them goes upstream.
BODY = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
SMUGGLING = [
    ("content-length and transfer-encoding", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two content-lengths that differ", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 36\r\n\r\n" + BODY),
    ("a list of content-lengths", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0, 36\r\n\r\n" + BODY),
    ("a signed content-length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nabcd"),
    ("an empty content-length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n"),
    ("a hexadecimal content-length", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x4\r\n\r\nabcd"),
    ("a content-length that overflows", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n"),
    ("transfer-encoding twice", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n"),
    ("another coding after chunked", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("a coding that only looks like chunked", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunked after a vertical tab", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("a space before the colon", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("a folded line", b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n"),
    ("a folded transfer-encoding", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("bare line feeds", b"GET / HTTP/1.1\nhost: a\n\n"),
    ("a bare carriage return in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\rtransfer-encoding: chunked\r\n\r\n"),
    ("NUL in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n"),
    ("an empty field name", b"GET / HTTP/1.1\r\nhost: a\r\n: x\r\n\r\n"),
    ("a field without a colon", b"GET / HTTP/1.1\r\nhost: a\r\nnothing\r\n\r\n"),
    ("no host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
    ("a method that is no token", b"GE(T / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("two spaces in the request line", b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("a version that is none", b"GET / HTTP/1.2x\r\nhost: a\r\n\r\n"),
    ("a chunk size with a sign", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n\r\n"),
    ("a chunk size that overflows", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
    ("a chunk size with a space", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n"),
    ("a chunk that ends with a line feed", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n"),
    ("a chunk extension with a bare line feed", b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;x\na\r\n0\r\n\r\n"),
    ("a fragment in the target", b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("transfer-encoding in HTTP/1.0", b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
]


def smuggling(proxy, backend):
    for name, data in SMUGGLING:
        before = len(backend.seen)
        with proxy.connect() as s:
            s.sendall(data)
            answer = read_all(s, 5)
            status = status_of(answer)
            ended = closes(s, 0.01)
        smuggled = [head for head in backend.seen[before:] if b"smuggled" in head]
        # The head of a message may go on before its body turns out to be broken.
        good = status in (400, 426, 501) and ended and not smuggled
        if "chunk" in name:
            good = (status in (400, 501) or answer == b"") and ended and not smuggled
        check(f"{name}: {status}", good, answer[:200] + b" upstream: " + b" | ".join(backend.seen[before:]))
    with proxy.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 5 + b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        check("six requests in one piece get six answers in order", read_all(s).count(b"HTTP/1.1 200") == 6)


def slow(proxy):
    with proxy.connect() as s:
        began = time.monotonic()
        s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n")
        ended = False
        while time.monotonic() - began < 8 and not ended:
            try:
                s.sendall(b"x: 1\r\n")
                ended = closes(s, 0.3)
            except OSError:
                ended = True
        check(f"a head that comes drop by drop is not waited for ({time.monotonic() - began:.1f} s)", ended)
    with proxy.connect() as s:
        began = time.monotonic()
        s.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
        ended, answer = False, b""
        while time.monotonic() - began < 10 and not ended:
            try:
                s.sendall(b"x")
                s.settimeout(0.3)
                more = s.recv(65536)
                ended = not more
                answer += more
            except TimeoutError:
                pass
            except OSError:
                ended = True
        check(f"a body that comes drop by drop is not waited for ({time.monotonic() - began:.1f} s, {status_of(answer)})", ended)


def flood(name, proxy, data, settings=b"", times=1, grown=24 << 20):
    """Sends that as often; the proxy must end the connection, and neither grow nor spin."""
    memory, processor = proxy.memory(), proxy.processor_seconds()
    attacker = Http2(proxy, settings)
    for _ in range(times):
        if not attacker.send(data):
            break
    refused = attacker.refused()
    attacker.socket.close()
    check(f"{name}: the connection ends, {(proxy.memory() - memory) >> 10} KiB, {proxy.processor_seconds() - processor:.2f} s of processor",
          refused and proxy.alive() and proxy.memory() - memory < grown and proxy.processor_seconds() - processor < 5)
    check(f"{name}: others are served", proxy.serves() == 200)


def http2(proxy):
    polite = Http2(proxy)
    polite.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET))
    check("a polite stream is answered", any(kind == HEADERS and stream == 1 for kind, _, stream, _ in polite.frames(1)))
    polite.socket.close()
    requests = b"".join(frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, GET) + frame(RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08") for i in range(20000))
    flood("rapid reset", proxy, requests)
    # Streams that the proxy has to reset itself: a window update of 0 is a stream error.
    requests = b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, GET) + frame(WINDOW_UPDATE, 0, 2 * i + 1, b"\0\0\0\0") for i in range(20000))
    flood("resets that it is made to send", proxy, requests)
    flood("CONTINUATION without end", proxy, frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 1000)) * 2000)
    flood("empty CONTINUATION without end", proxy, frame(HEADERS, 0, 1, GET) + frame(CONTINUATION, 0, 1) * 100000)
    flood("SETTINGS", proxy, frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff") * 1000, times=100)
    flood("PING", proxy, frame(PING, 0, 0, b"12345678") * 1000, times=100)
    flood("empty DATA", proxy, frame(HEADERS, END_HEADERS, 1, GET) + frame(DATA, 0, 1) * 200000)
    bomb = GET + literal(b"x", b"y" * 3900) + b"\xbe" * 14000
    flood("an HPACK bomb", proxy, b"".join(frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, bomb if i == 0 else GET + b"\xbe" * 14000) for i in range(200)))
    flood("PRIORITY", proxy, b"".join(frame(2, 0, 2 * i + 1, b"\0\0\0\0\x10") for i in range(1000)), times=200)
    # Peers that ask and never read: no window for any answer.
    memory = proxy.memory()
    readers = []
    for _ in range(20):
        reader = Http2(proxy, b"\0\x04\0\0\0\0")
        reader.send(b"".join(frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, bytes([0x82, 0x86, 0x01, 0x01]) + b"a" + b"\x04\x04/big") for i in range(100)))
        readers.append(reader)
    time.sleep(0.5)
    grown = proxy.memory() - memory
    served = proxy.serves() == 200
    ended = all(any(kind in (RST_STREAM, GOAWAY) for kind, *_ in reader.frames(8)) for reader in readers[:3])
    check(f"2000 answers that nobody reads: {grown >> 10} KiB, others are served, their streams end", served and ended and grown < 64 << 20, (served, ended))


def idle_tls(binary, backend, directory, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 200)), hard))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=a",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"], check=True, capture_output=True)
    tls = f"""      transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: {{tls_certificates: [{{certificate_chain: {{filename: {directory}/cert.pem}}, private_key: {{filename: {directory}/key.pem}}}}]}}
"""
    port = free_port()
    proxy = Proxy(binary, bootstrap(port, backend.port, tls), port, directory, descriptors=count + 200)
    context = tls_client()
    before, held = proxy.memory(), []
    began = time.monotonic()
    for _ in range(count):
        if time.monotonic() - began > 25:
            break
        held.append(context.wrap_socket(proxy.connect()))
    for s in held[:: max(1, len(held) // 50)]:
        s.sendall(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n")
        s.recv(65536)
    each = (proxy.memory() - before) / len(held)
    check(f"{len(held)} idle TLS connections: {each:.0f} bytes each", each < 40_000, each)
    del held
    proxy.stop()


def descriptors(binary, backend, directory):
    port = free_port()
    proxy = Proxy(binary, bootstrap(port, backend.port), port, directory, descriptors=48)
    held = []
    for _ in range(100):
        try:
            held.append(proxy.connect(1))
        except OSError:
            break
    before = proxy.processor_seconds()
    time.sleep(1)
    spent = proxy.processor_seconds() - before
    check(f"without descriptors it rests: {spent:.2f} s of processor in a second", proxy.alive() and spent < 0.3)
    for s in held:
        s.close()
    check("and serves again when there are some", until(lambda: proxy.serves("/big") == 200))
    proxy.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--idle", type=int, default=3000, help="idle TLS connections to hold")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.bin) / "seine-proxy")
    directory = tempfile.mkdtemp(prefix="hostile-")
    backend = Backend()
    port = free_port()
    proxy = Proxy(binary, bootstrap(port, backend.port), port, directory)
    check("the proxy serves", proxy.serves() == 200)
    smuggling(proxy, backend)
    slow(proxy)
    http2(proxy)
    check("the proxy still serves", proxy.serves() == 200, proxy.log.read_text()[-1000:])
    proxy.stop()
    descriptors(binary, backend, directory)
    idle_tls(binary, backend, directory, options.idle)
    shutil.rmtree(directory, ignore_errors=True)
    print(f"\n{peers.passed} passed, {peers.failed} failed")
    sys.exit(1 if peers.failed else 0)


if __name__ == "__main__":
    main()
