# SPDX-License-Identifier: Apache-2.0
"""The same proxy, said in the configuration of each peer. A Setup says what is in front, what is behind and what is
between; a peer answers with the processes that do it, or nothing where it cannot."""
import dataclasses
import json
import pathlib
import socket
import subprocess


@dataclasses.dataclass
class Setup:
    backend: int
    tls: bool = False        # clients speak TLS
    h2_backend: bool = False
    tcp: bool = False        # bytes, not HTTP
    pair: str = ""           # two proxies with mTLS between them, which speak: h1, h2 or seine
    reuse: bool = True       # of the connections between the two
    clusters: int = 0        # more of them, that nobody asks for
    grpc: bool = False


@dataclasses.dataclass
class Tools:
    folder: pathlib.Path
    helpers: pathlib.Path
    programs: pathlib.Path
    envoy: str = ""
    before: str = ""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificates(folder):
    """One P-256 authority; leaf `server` (also localhost) and leaf `client`, with SPIFFE names as a mesh gives them."""
    def openssl(*words, text=None):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, input=text, cwd=folder)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 30, "-subj", "/O=cluster.local")
    for name, account in (("server", "app"), ("client", "caller")):
        (folder / f"{name}.ext").write_text(
            f"subjectAltName=critical,URI:spiffe://cluster.local/ns/default/sa/{account},DNS:localhost\n"
            "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-new", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={account}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 30,
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        (folder / f"{name}.both").write_text((folder / f"{name}.pem").read_text() + (folder / f"{name}.key").read_text())


# --- HAProxy ------------------------------------------------------------------------------------------------------

def haproxy_file(tools, port, bind, server, *, tcp, reuse="always", clusters=0):
    file = tools.folder / f"haproxy-{port}.cfg"
    more = "".join(f"backend more{i}\n" + "".join(f"  server s{j} 10.1.{i // 250}.{i % 250 + 1}:{8000 + j}\n" for j in range(10))
                   for i in range(clusters))
    file.write_text(f"""global
  nbthread 1
  maxconn 4000
  tune.ssl.default-dh-param 2048
defaults
  mode {"tcp" if tcp else "http"}
  timeout client 30s
  timeout server 30s
  timeout connect 5s
  {"option splice-auto" if tcp else f"http-reuse {reuse}"}
  {"option http-server-close" if reuse == "never" else ""}
frontend f
  bind 127.0.0.1:{port} {bind}
  default_backend b
backend b
  server s {server}
{more}""")
    return ["haproxy", "-q", "-db", "-f", file]


def haproxy(tools, setup):
    port, f = free_port(), tools.folder
    if setup.pair == "seine":
        return None
    if not setup.pair:
        bind = f"ssl crt {f}/server.both alpn h2,http/1.1" if setup.tls else ""
        server = f"127.0.0.1:{setup.backend}" + (" proto h2" if setup.h2_backend else "")
        return port, [haproxy_file(tools, port, bind, server, tcp=setup.tcp, clusters=setup.clusters)]
    between, alpn = free_port(), "h2" if setup.pair == "h2" else "http/1.1"
    mutual = f"ca-file {f}/ca.pem verify required"
    back = f"127.0.0.1:{between} ssl crt {f}/client.both {mutual} alpn {alpn}"
    if not setup.reuse:
        back += " no-ssl-reuse pool-max-conn 0"
    return port, [
        haproxy_file(tools, between, f"ssl crt {f}/server.both {mutual} alpn {alpn}", f"127.0.0.1:{setup.backend}", tcp=False),
        haproxy_file(tools, port, "", back, tcp=False, reuse="always" if setup.reuse else "never")]


# --- nginx --------------------------------------------------------------------------------------------------------

def nginx(tools, setup):
    if setup.pair or setup.clusters or (setup.h2_backend and not setup.grpc):
        return None
    port, f = free_port(), tools.folder
    file = f / f"nginx-{port}.conf"
    listen = f"127.0.0.1:{port}" + (" ssl http2" if setup.tls else " http2" if setup.grpc else "")
    tls = f"ssl_certificate {f}/server.pem; ssl_certificate_key {f}/server.key; ssl_protocols TLSv1.2 TLSv1.3;" if setup.tls else ""
    upstream = f"upstream b {{ server 127.0.0.1:{setup.backend}; keepalive 256; keepalive_requests 1000000000; }}"
    forward = "grpc_pass grpc://b;" if setup.grpc else 'proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection "";'
    head = f"daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid {f}/nginx-{port}.pid; error_log /dev/null;\nevents {{ worker_connections 4096; }}\n"
    if setup.tcp:
        body = f"stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{setup.backend}; }} }}\n"
        module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if not module.exists():
            return None
        head = f"load_module {module};\n" + head
    else:
        body = (f"http {{ access_log off; keepalive_requests 1000000000; {upstream}\n"
                f"  server {{ listen {listen}; {tls} location / {{ {forward} }} }} }}\n")
    file.write_text(head + body)
    return port, [["nginx", "-c", file, "-p", f]]


# --- Envoy's bootstrap, for Envoy and Seine -----------------------------------------------------------------------

TYPE = "type.googleapis.com/envoy.extensions."


def typed(name, **more):
    return {"@type": TYPE + name, **more}


def at(port, address="127.0.0.1"):
    return {"socket_address": {"address": address, "port_value": port}}


def tls_context(tools, side, leaf, alpn, peer=None):
    read = lambda name: {"inline_string": (tools.folder / name).read_text()}
    common = {"tls_certificates": [{"certificate_chain": read(f"{leaf}.pem"), "private_key": read(f"{leaf}.key")}], "alpn_protocols": alpn}
    if peer:
        common["validation_context"] = {"trusted_ca": read("ca.pem"), "match_typed_subject_alt_names": [
            {"san_type": "URI", "matcher": {"exact": f"spiffe://cluster.local/ns/default/sa/{peer}"}}]}
    config = {"common_tls_context": common}
    if peer and side == "Downstream":
        config["require_client_certificate"] = True
    if peer and side == "Upstream":
        config["sni"] = "outbound_.80_._.app.default.svc.cluster.local"
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed(f"transport_sockets.tls.v3.{side}TlsContext", **config)}


def cluster(name, endpoints, *, h2=False, transport=None, once=False):
    out = {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": e}} for e in endpoints]}]}}
    options = {}
    if h2:
        options["explicit_http_config"] = {"http2_protocol_options": {}}
    if once:
        options["common_http_protocol_options"] = {"max_requests_per_connection": 1}
        options.setdefault("explicit_http_config", {"http_protocol_options": {}})
    if options:
        out["typed_extension_protocol_options"] = {TYPE[20:] + "upstreams.http.v3.HttpProtocolOptions":
                                                   typed("upstreams.http.v3.HttpProtocolOptions", **options)}
    if transport:
        out["transport_socket"] = transport
    return out


def bootstrap(tools, port, clusters, *, transport=None, tcp=False):
    router = {"name": "envoy.filters.http.router", "typed_config": typed("filters.http.router.v3.Router")}
    to = clusters[0]["name"]
    if tcp:
        last = {"name": "envoy.filters.network.tcp_proxy", "typed_config": typed("filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="bench", cluster=to)}
    else:
        last = {"name": "envoy.filters.network.http_connection_manager", "typed_config": typed(
            "filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix="bench", http_filters=[router],
            route_config={"name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": to, "timeout": "0s"}}]}]})}
    chain = {"filters": [last]}
    if transport:
        chain["transport_socket"] = transport
    file = tools.folder / f"bootstrap-{port}.json"
    file.write_text(json.dumps({"static_resources": {
        "listeners": [{"name": "l", "address": at(port), "filter_chains": [chain]}], "clusters": clusters}}))
    return file


def xds_like(command, istio_alpn):
    def peer(tools, setup):
        port = free_port()
        if not setup.pair:
            front = tls_context(tools, "Downstream", "server", ["h2", "http/1.1"]) if setup.tls else None
            clusters = [cluster("backend", [at(setup.backend)], h2=setup.h2_backend)]
            clusters += [cluster(f"outbound|80||service-{i}.default.svc.cluster.local",
                                 [at(8000 + j, f"10.1.{i // 250}.{i % 250 + 1}") for j in range(10)]) for i in range(setup.clusters)]
            return port, [command(tools, bootstrap(tools, port, clusters, transport=front, tcp=setup.tcp))]
        if setup.pair == "seine" and not istio_alpn:
            return None
        between, h2 = free_port(), setup.pair == "h2"
        alpn = {"h1": ["http/1.1"], "h2": ["h2"], "seine": ["istio-peer-exchange", "istio"]}[setup.pair]
        inbound = bootstrap(tools, between, [cluster("app", [at(setup.backend)])],
                            transport=tls_context(tools, "Downstream", "server", ["h2", "http/1.1"], peer="caller"))
        outbound = bootstrap(tools, port, [cluster("peer", [at(between)], h2=h2, once=not setup.reuse,
                                                   transport=tls_context(tools, "Upstream", "client", alpn, peer="app"))])
        return port, [command(tools, inbound), command(tools, outbound)]
    return peer


def seine_command(tools, file):
    return [tools.programs / "seine-proxy", "-c", file, "--concurrency", 1, "-l", "error"]


def before_command(tools, file):
    return [tools.before, *seine_command(tools, file)[1:]]


def envoy_command(tools, file):
    return [tools.envoy, "-c", file, "--concurrency", 1, "-l", "error", "--disable-hot-restart"]


def relay(tools, setup):
    """Copies bytes: the floor. It speaks nothing, so client and backend must speak the same."""
    if setup.tls or setup.clusters or setup.pair in ("h2", "seine"):
        return None
    port = free_port()
    if not setup.pair:
        return port, [[tools.helpers / "relay", port, setup.backend]]
    between = free_port()
    return port, [[tools.helpers / "relay", between, setup.backend], [tools.helpers / "relay", port, between]]


def direct(tools, setup):
    return None if setup.tls or setup.pair or setup.clusters else (setup.backend, [])


PEERS = {"direct": direct, "relay": relay, "haproxy": haproxy, "nginx": nginx,
         "seine": xds_like(seine_command, True), "before": xds_like(before_command, True), "envoy": xds_like(envoy_command, False)}
