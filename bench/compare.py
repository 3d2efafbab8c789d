#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per request of proxies side by side: one worker on core 0, load and backend on core 1, alternating rounds,
medians. CPU is the scheduler's own account of all the proxy's threads (/proc/PID/task/*/schedstat)."""
import argparse
import json
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--bin", required=True)
arguments.add_argument("--helpers", required=True)
arguments.add_argument("--rounds", type=int, default=5)
arguments.add_argument("--seconds", type=int, default=4)
arguments.add_argument("--connections", type=int, default=64)
arguments.add_argument("--size", type=int, default=100, help="bytes of the response's body")
arguments.add_argument("--only", nargs="*", help="of: relay haproxy seine envoy nginx")
arguments.add_argument("--envoy", help="an envoy binary, to join the round")
given = arguments.parse_args()
folder = pathlib.Path(tempfile.mkdtemp())
helpers, programs = pathlib.Path(given.helpers).resolve(), pathlib.Path(given.bin).resolve()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(core, *command):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def haproxy(port, backend):
    file = folder / "haproxy.cfg"
    file.write_text(f"""global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{backend}
""")
    return ["haproxy", "-q", "-db", "-f", file]


def bootstrap(port, backend):
    file = folder / "bootstrap.json"
    router = {"name": "envoy.filters.http.router",
              "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
    manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "bench", "http_filters": [router],
               "route_config": {"name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                   {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]}]}}
    def endpoint(p):
        return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": p}}}}
    file.write_text(json.dumps({"static_resources": {
        "listeners": [{"name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                       "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
        "clusters": [{"name": "backend", "type": "STATIC", "connect_timeout": "5s",
                      "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint(backend)]}]}}]}}))
    return file


def nginx(port, backend):
    file = folder / "nginx.conf"
    file.write_text(f"""daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
  upstream b {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
""")
    return ["nginx", "-c", file, "-p", folder]


def commands(backend):
    port = free_port()
    yield "relay", port, [helpers / "relay", port, backend]
    port = free_port()
    yield "haproxy", port, haproxy(port, backend)
    if shutil.which("nginx"):
        port = free_port()
        yield "nginx", port, nginx(port, backend)
    port = free_port()
    yield "seine", port, [programs / "seine-proxy", "-c", bootstrap(port, backend), "--concurrency", 1, "-l", "error"]
    if given.envoy:
        port = free_port()
        yield "envoy", port, [given.envoy, "-c", bootstrap(port, backend), "--concurrency", 1, "-l", "error", "--base-id", "77"]


def family(pid):
    out = [pid]
    for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split():
        out += family(int(child))
    return out


def cpu(pid):
    return sum(int(task.joinpath("schedstat").read_text().split()[0])
               for one in family(pid) for task in pathlib.Path(f"/proc/{one}/task").iterdir())


def measure(pid, port):
    before = cpu(pid)
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", f"-c{given.connections}", f"-d{given.seconds}s", f"http://127.0.0.1:{port}/"],
                         capture_output=True, text=True).stdout
    spent = cpu(pid) - before
    found = re.search(r"(\d+) requests in", out)
    if not found:
        raise SystemExit(f"no load on port {port}: the proxy does not answer")
    requests = int(found.group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", out)
    return spent / 1000 / max(requests, 1), requests / given.seconds, bad.group(0) if bad else ""


def memory(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Pss:\s+(\d+)", text).group(1)) / 1024


def main():
    backend = free_port()
    processes = [start(1, helpers / "backend", backend, given.size)]
    peers = []
    try:
        for name, port, command in commands(backend):
            if given.only and name not in given.only:
                continue
            process = start(0, *command)
            processes.append(process)
            peers.append((name, port, process))
        time.sleep(1.5)
        results = {name: [] for name, _, _ in peers}
        for name, port, process in peers:
            measure(process.pid, port)
        for _ in range(given.rounds):
            for name, port, process in peers:
                results[name].append(measure(process.pid, port))
        base = statistics.median(r[0] for r in results["haproxy"]) if "haproxy" in results else None
        print(f"{given.size} B, {given.connections} connections, HTTP/1.1 keep-alive; medians of {given.rounds} rounds of {given.seconds} s")
        print(f"{'proxy':<10}{'us CPU/request':>16}{'x haproxy':>11}{'requests/s':>12}{'PSS MB':>8}  errors")
        for name, _, process in peers:
            per_request = statistics.median(r[0] for r in results[name])
            ratio = f"{per_request / base:.2f}" if base else "-"
            print(f"{name:<10}{per_request:>16.2f}{ratio:>11}{statistics.median(r[1] for r in results[name]):>12.0f}{memory(process.pid):>8.1f}  "
                  + "; ".join(sorted({r[2] for r in results[name] if r[2]})))
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


main()
