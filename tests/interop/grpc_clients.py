# SPDX-License-Identifier: Apache-2.0
"""gRPC clients of four languages through seine-proxy, in clear text and over TLS: gRPC's own interop cases (Go), and
the clients of C++, Python and Node against an echo service. Then what only time shows: drains, keepalive, servers that end
connections."""
import os
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request

import grpc
import grpc_peers
import peers
from peers import check

HERE = pathlib.Path(__file__).resolve().parent

# Every case of the official list that Go's client has and that needs no account at a cloud.
GO_CASES = ["empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
            "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
            "special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service", "rpc_soak",
            "channel_soak"]
GRPC_MODULES = ["google.golang.org/grpc/interop/client", "google.golang.org/grpc/interop/server"]


def go_programs(tools):
    """gRPC's interop client and server, built once into the tools."""
    out = tools / "grpc-go-1.64.1"
    if not (out / "server").exists():
        building = out.with_name(out.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        subprocess.run(["go", "build", "-o", f"{building}/", *GRPC_MODULES], cwd=HERE / "grpc_go", check=True,
                       env={**os.environ, "GOFLAGS": "-buildvcs=false -mod=readonly"})
        shutil.rmtree(out, ignore_errors=True)
        building.rename(out)
    return out


def node_client(tools):
    """The command that runs Node's client; its modules stand in the tools."""
    there = tools / "grpc-node"
    there.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(HERE / "grpc_node" / name, there / name)
    programs = tools / "venv" / "bin"
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    if not (there / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=there, check=True, env=environment)
    return [str(programs / "node"), str(there / "client.js")]


def cpp_client(tools):
    """The C++ client, built once into the tools with Debian's grpc++."""
    source, out = HERE / "grpc_cpp" / "client.cpp", tools / "grpc-cpp-client"
    if not out.exists() or out.stat().st_mtime < source.stat().st_mtime:
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++"], check=True, capture_output=True, text=True).stdout.split()
        building = out.with_suffix(".building")
        subprocess.run(["g++", "-std=c++17", "-O1", "-o", building, source, *flags], check=True)
        building.rename(out)
    return [str(out)]


HTTP = """
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: grpc
          stream_idle_timeout: %(idle)s
          route_config:
            name: r
            virtual_hosts:
            - name: a
              domains: ['*']
              routes:
              - {match: {prefix: /grpc.testing}, route: {cluster: go_%(upstream)s, timeout: 0s}}
              - {match: {path: /echo.Echo/Limited}, route: {cluster: python_%(upstream)s, timeout: 0s, max_stream_duration: {grpc_timeout_header_max: 1s}, prefix_rewrite: /echo.Echo/Wait}}
              - {match: {prefix: /}, route: {cluster: %(echo)s, timeout: 0s}}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
"""
TLS = """
      transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{certificate_chain: {filename: %(pki)s/cert.pem}, private_key: {filename: %(pki)s/key.pem}}]}
"""


def listener(name, port, upstream="plain", tls="", idle="300s", echo=None):
    return f"""  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http{HTTP % {"upstream": upstream, "idle": idle, "echo": echo or "python_" + upstream}}{tls}"""


def cluster(name, port, pki=None):
    tls = f"""
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context: {{alpn_protocols: [h2], validation_context: {{trusted_ca: {{filename: {pki}/cert.pem}}}}}}""" if pki else ""
    return f"""  - name: {name}
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}{tls}
"""


def code_of(call):
    try:
        call()
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        return error.code()


class Conversation:
    """A stream both ways that goes on while other things happen."""

    def __init__(self, client):
        self.requests = queue.Queue()
        self.answers = client.chat(iter(self.requests.get, None), timeout=60)

    def says(self, word):
        self.requests.put(word)
        return next(self.answers) == word

    def ends(self):
        self.requests.put(None)
        return list(self.answers) == [] and self.answers.code() == grpc.StatusCode.OK


def go(programs, port, roots, name):
    flags = ["-use_tls", "-use_test_ca", "-ca_file", roots, "-server_host_override", "localhost"] if roots else []
    for case in GO_CASES:
        more = ["-soak_iterations", "100", "-soak_per_iteration_max_acceptable_latency_ms", "10000", "-soak_overall_timeout_seconds", "40"] if case.endswith("soak") else []
        done = subprocess.run([programs / "client", "-server_host", "127.0.0.1", "-server_port", str(port), "-test_case", case, *flags, *more],
                              capture_output=True, text=True, timeout=60)
        check(f"Go, {name}: {case}", done.returncode == 0, done.stderr[-1500:])


def client(language, command, port, roots, name):
    """A program that prints a line for each of its checks; there are eleven."""
    done = subprocess.run([*command, f"127.0.0.1:{port}", *([roots] if roots else [])], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    for line in lines:
        check(f"{language}, {name}: {line.partition(' ')[2]}", line.startswith("ok "))
    check(f"{language}, {name}: all was tried", len(lines) == 11, done.stdout + done.stderr)


def python(port, roots, name, seen):
    def told(what, good, detail=""):
        check(f"Python, {name}: {what}", good, detail)

    client = grpc_peers.Client(f"127.0.0.1:{port}", roots)
    answer, call = client.unary.with_call(b"hello", metadata=[("x-there", "a"), ("x-there-bin", b"\x00\xff\r\n")], timeout=20)
    back = dict(call.initial_metadata())
    told("metadata there and back, text and binary", answer == b"hello" and back.get("x-there") == "a" and back.get("x-there-bin") == b"\x00\xff\r\n"
         and dict(call.trailing_metadata()).get("x-trail-bin") == b"\x00\x01\xff", back)
    big = os.urandom(1 << 20) * 8
    told("messages of 8 MiB", client.unary(big, timeout=30) == big)
    told("eight at once of 2 MiB", all(len(f.result()) == 2 << 20 for f in [client.sized.future(b"%d" % (2 << 20), timeout=30) for _ in range(8)]))
    told("a stream of requests", client.collect((bytes(1000) for _ in range(1000)), timeout=30) == b"1000 1000000")
    sizes = [len(one) for one in client.expand(b"200 10000", timeout=30)]
    told("a stream of responses", sizes == [10000] * 200)
    chat = Conversation(client)
    told("both at once", all(chat.says(b"%d" % i) for i in range(50)) and chat.ends())
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        told(f"{compression.name}", client.unary(b"a" * (1 << 20), compression=compression, timeout=20) == b"a" * (1 << 20))

    for code in (3, 7, 14, 16):
        try:
            client.fail(b"%d" % code, timeout=20)
            told("a refusal", False)
        except grpc.RpcError as error:
            told(f"a refusal without a message: {error.code().name}", error.code().value[0] == code and error.details() == "détail 100%\n", error)
    late = client.fail_late(b"10", timeout=20)
    got = []
    told("a failure after a message", code_of(lambda: got.extend(iter(late.next, None))) == grpc.StatusCode.ABORTED and late.code() == grpc.StatusCode.ABORTED, late.code())
    told("a method that is none", code_of(lambda: client.nothing(b"", timeout=20)) == grpc.StatusCode.UNIMPLEMENTED)

    key = f"{name} deadline".encode()
    told("a deadline passes for the client", code_of(lambda: client.wait(key, timeout=0.7)) == grpc.StatusCode.DEADLINE_EXCEEDED)
    told("and is known to the server, whose call ends", peers.until(lambda: key in seen) and seen[key][0] <= 1 and seen[key][1] < 10, seen)
    key = f"{name} limited".encode()
    limited = client.channel.unary_unary("/echo.Echo/Limited")
    began = time.monotonic()
    code = code_of(lambda: limited(key, timeout=30))
    told("the route's longest grpc-timeout holds", code == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - began < 15, (code, time.monotonic() - began))
    key = f"{name} cancel".encode()
    call = client.wait.future(key, timeout=30)
    time.sleep(0.3)
    call.cancel()
    told("who cancels is heard by the server", peers.until(lambda: key in seen) and seen[key][1] < 15, seen)
    client.close()


def keepalive(port, roots, name):
    """Pings each second, on a connection that has a quiet call and then none."""
    client = grpc_peers.Client(f"127.0.0.1:{port}", roots, [
        ("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 5000), ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0), ("grpc.http2.min_time_between_pings_ms", 500)])
    chat = Conversation(client)
    good = chat.says(b"a")
    time.sleep(4)
    good = good and chat.says(b"b") and chat.ends()
    check(f"{name}: keepalive pings are answered", good)
    client.close()


def ticks(port):
    """Where streams may be idle for two seconds: one on which only the server speaks is not, a silent one is."""
    client = grpc_peers.Client(f"127.0.0.1:{port}")
    got, call = [], client.tick(b"8", timeout=30)
    code = code_of(lambda: got.extend(call))
    check("a stream on which only the server speaks is not idle", code == grpc.StatusCode.OK and len(got) == 8, (code, len(got)))
    client.close()
    client = grpc_peers.Client(f"127.0.0.1:{port}")
    began = time.monotonic()
    code = code_of(lambda: client.wait(b"idle", timeout=15))
    check("a silent one is", code != grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - began < 12, (code, time.monotonic() - began))
    client.close()


def unbroken(client, seconds, until):
    """Calls one after the other, until `until` says so: how many there were, and the first that failed."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and not until():
        try:
            client.unary(b"x", timeout=10)
        except grpc.RpcError as error:
            return count, error
        count += 1
    return count, None


def short_connections(port):
    """A server that ends each connection after 300 ms, with GOAWAY."""
    client = grpc_peers.Client(f"127.0.0.1:{port}")
    count, error = unbroken(client, 4, lambda: False)
    check(f"{count} calls to a server that ends its connections, none fails", not error and count > 20, error)
    client.close()


def active(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if "downstream_cx_active" in line:
                return int(float(line.split(":")[-1].split()[-1]))
    return None


def drain(port, admin, write):
    """A listener that changes drains its connections: what is under way ends well, new calls go to new ones."""
    before = active(admin)
    client, other = grpc_peers.Client(f"127.0.0.1:{port}"), grpc_peers.Client(f"127.0.0.1:{port}")
    chat = Conversation(client)
    good = chat.says(b"before")
    stop = threading.Event()
    result = []
    calls = threading.Thread(target=lambda: result.append(unbroken(other, 30, stop.is_set)))
    calls.start()
    time.sleep(0.5)
    write(listener("drained", port, idle="299s"))
    time.sleep(1.5)
    good = good and chat.says(b"within")
    one = active(admin)
    new = client.unary(b"new", timeout=10) == b"new"  # while the old connection still holds the conversation
    two = active(admin)
    stop.set()
    calls.join()
    check("a conversation goes on while its connection drains", good and chat.says(b"after"))
    check("the same client's next call is taken by a new connection", new and two > one, (one, two))
    check("and ends well", chat.ends())
    check(f"none of {result[0][0]} calls of another client fails meanwhile", not result[0][1] and result[0][0] > 5, result[0])
    check("the drained connections are closed", peers.until(lambda: active(admin) <= before + 2), (before, active(admin)))
    client.close()
    other.close()


def drive(programs, tools):
    print("gRPC clients through seine-proxy")
    go_bin, others = go_programs(tools), {"C++": cpp_client(tools), "Node": node_client(tools)}
    with tempfile.TemporaryDirectory() as directory:
        where = pathlib.Path(directory)
        peers.make_certificate(where)
        roots, pair = where / "cert.pem", ((where / "key.pem").read_bytes(), (where / "cert.pem").read_bytes())
        plain, plain_port, plain_echo = grpc_peers.serve()
        secure, secure_port, secure_echo = grpc_peers.serve(pair)
        hasty, hasty_port, _ = grpc_peers.serve(None, **{"grpc.max_connection_age_ms": 300, "grpc.max_connection_age_grace_ms": 5000})
        go_plain, go_secure, ports = peers.free_port(), peers.free_port(), {name: peers.free_port() for name in ("plain", "tls", "ticks", "hasty", "drained", "admin")}
        peers.start([go_bin / "server", "-port", str(go_plain)], where / "go.log")
        peers.start([go_bin / "server", "-port", str(go_secure), "-use_tls", "-tls_cert_file", roots, "-tls_key_file", where / "key.pem"], where / "go_tls.log")

        def write(text):
            """The listener that is read from a file, put in place as a whole."""
            lines = text.splitlines()
            resource = "\n".join(["    " + lines[0].strip()[2:]] + lines[1:])
            (where / "next.yaml").write_text('resources:\n  - "@type": type.googleapis.com/envoy.config.listener.v3.Listener\n' + resource + "\n")
            (where / "next.yaml").rename(where / "lds.yaml")

        write(listener("drained", ports["drained"]))
        (where / "bootstrap.yaml").write_text(f"""
node: {{id: grpc, cluster: grpc}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {ports["admin"]}}}}}}}
dynamic_resources: {{lds_config: {{path_config_source: {{path: {where}/lds.yaml}}}}}}
static_resources:
  listeners:
{listener("plain", ports["plain"])}
{listener("tls", ports["tls"], "tls", TLS % {"pki": where})}
{listener("ticks", ports["ticks"], idle="2s")}
{listener("hasty", ports["hasty"], echo="hasty")}
  clusters:
{cluster("python_plain", plain_port)}{cluster("python_tls", secure_port, where)}{cluster("hasty", hasty_port)}{cluster("go_plain", go_plain)}{cluster("go_tls", go_secure, where)}""")
        log = where / "proxy.log"
        peers.start([programs / "seine-proxy", "-c", where / "bootstrap.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "warn"], log)
        for name in ports:
            check(f"the proxy serves {name}", peers.until(lambda: peers.connects(ports[name])), log.read_text())
        for port in (go_plain, go_secure):
            peers.until(lambda: peers.connects(port))
        for name, port, trust, echo in (("h2c", ports["plain"], None, plain_echo), ("TLS", ports["tls"], roots, secure_echo)):
            go(go_bin, port, trust, name)
            python(port, trust and trust.read_bytes(), name, echo.seen)
            for language, command in others.items():
                client(language, command, port, trust, name)
            keepalive(port, trust and trust.read_bytes(), name)
        ticks(ports["ticks"])
        short_connections(ports["hasty"])
        drain(ports["drained"], ports["admin"], write)
        for server in (plain, secure, hasty):
            server.stop(None)
