# SPDX-License-Identifier: Apache-2.0
"""TCP in CONNECT or POST (tcp_proxy.tunneling_config), with Seine and Envoy as the near and as the far side."""
import os
import pathlib
import shutil
import sys
import tempfile

from peers import check, connects, free_port, start, until
from tunnels import BOOTSTRAP, HTTP2, LISTENER, cluster, connect_to, echo, echoed, serve

NEAR = """  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {name}
          cluster: {cluster}
          tunneling_config: {{hostname: "db.example:5432", headers_to_add: [{{header: {{key: x-tunnel, value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}}}]{more}}}
"""


def run(program, envoy, listeners, clusters, probe):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as f:
        f.write(BOOTSTRAP.format(admin=free_port(), listeners=listeners, clusters=clusters))
    process = start([program, "-c", f.name, *(["--disable-hot-restart", "--concurrency", "1", "-l", "warning"] if envoy else [])], f.name + ".log")
    check(f"{pathlib.Path(program).name} listens", until(lambda: connects(probe)), open(f.name + ".log").read())
    return process


def far_side(program, envoy, target, post):
    port = free_port()
    config = "{allow_post: true}" if post else "{}"
    routes = (f"{{match: {{connect_matcher: {{}}, headers: [{{name: x-tunnel, string_match: {{exact: 127.0.0.1}}}}]}}, route: {{cluster: tcp, upgrade_configs: "
              f"[{{upgrade_type: CONNECT, connect_config: {config}}}]}}}}")
    if post:
        routes += f", {{match: {{path: /into}}, route: {{cluster: tcp, upgrade_configs: [{{upgrade_type: CONNECT, connect_config: {config}}}]}}}}"
    listener = LISTENER.format(name="far", port=port, upgrades="upgrade_configs: [{upgrade_type: CONNECT}]", routes=routes)
    return port, run(program, envoy, listener, cluster("tcp", target), port)


def drive(proxy):
    print("TCP in tunnels", flush=True)
    envoy = shutil.which("envoy", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    if not check("Envoy is there", envoy):
        return
    big = bytes(range(256)) * 8192  # 2 MiB
    target = serve(echo)
    for near, far in ((proxy, proxy), (proxy, envoy), (envoy, proxy)):
        port, far_process = far_side(far, far == envoy, target, post=far == envoy)
        ways = {"CONNECT over HTTP/1.1": ("", ""), "CONNECT over HTTP/2": (HTTP2, "")}
        if far == envoy:
            ways["POST over HTTP/2"] = (HTTP2, ", use_post: true, post_path: /into")
        ports = [free_port() for _ in ways]
        listeners = "".join(NEAR.format(name=f"near{i}", port=ports[i], cluster=f"far{i}", more=more) for i, (_, more) in enumerate(ways.values()))
        clusters = "".join(cluster(f"far{i}", port, http) for i, (http, _) in enumerate(ways.values()))
        near_process = run(near, near == envoy, listeners, clusters, ports[0])
        for way, at in zip(ways, ports):
            name = f"{way}, {pathlib.Path(near).name} to {pathlib.Path(far).name}"
            with connect_to(at) as c:
                c.sendall(b"ping")
                check(f"{name}: bytes both ways", c.recv(4) == b"ping")
                got = b""
                if envoy in (near, far):  # it resets what is half closed
                    c.sendall(big)
                    while len(got) < len(big) and (piece := c.recv(65536)):
                        got += piece
                else:
                    got = echoed(c, big)
                check(f"{name}: {len(big)} bytes come back", got == big, len(got))
        for process in (near_process, far_process):
            process.terminate()
            process.wait(20)
