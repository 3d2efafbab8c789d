#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What new connections cost that nftables redirects to the proxy, as in a pod, beside connections made to it: in a
network namespace of its own, a connection a request, window by window, since what conntrack keeps of old ones is what
may slow down new ones. Needs root, nft and wrk; `./dev bench capture` brings the latter."""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from compare import cpu, wait_for

PLAIN, CAPTURED, APPLICATION, BACKEND = 8081, 15001, 8080, 8000
SERVICE = "10.96.0.10"  # nobody's address: REDIRECT comes before routing
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def socket_address(port, address="127.0.0.1"):
    return {"socket_address": {"address": address, "port_value": port}}


def listener(name, port, address="127.0.0.1", **more):
    http = {"@type": HCM, "stat_prefix": name, "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]}]}}
    return {"name": name, "address": socket_address(port, address), **more,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}]}


def bootstrap(folder):
    file = folder / "proxy.json"
    file.write_text(json.dumps({"static_resources": {
        "clusters": [{"name": "backend", "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
            "cluster_name": "backend", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address(BACKEND)}}]}]}}],
        "listeners": [
            listener("plain", PLAIN),
            listener("captured", CAPTURED, "0.0.0.0", use_original_dst=True),
            listener("service", APPLICATION, "0.0.0.0", bind_to_port=False)]}}))
    return file


def load(address, port, seconds):
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{seconds}s", "-H", "Connection: close",
                          f"http://{address}:{port}/"], capture_output=True, text=True).stdout
    errors = re.search(r"(Socket errors|Non-2xx).*", out)
    return int(re.search(r"(\d+) requests in", out).group(1)), errors.group(0) if errors else ""


def measure(process, address, port, given):
    rates, costs, failures = [], [], set()
    for _ in range(given.windows):
        before = cpu([process])
        count, errors = load(address, port, given.seconds)
        rates.append(count / given.seconds)
        costs.append((cpu([process]) - before) / 1000 / max(count, 1))
        failures.add(errors)
    return rates, costs, "; ".join(sorted(failures - {""}))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", required=True, help="folder of seine-proxy")
    arguments.add_argument("--helpers", required=True, help="folder of backend")
    arguments.add_argument("--windows", type=int, default=6)
    arguments.add_argument("--seconds", type=int, default=5, help="of each window")
    arguments.add_argument("--envoy", help="an envoy binary, to join")
    given = arguments.parse_args()
    if "SEINE_BENCH_NAMESPACE" not in os.environ:
        os.environ["SEINE_BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    for words in (["ip", "link", "set", "lo", "up"], ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far"],
                  ["ip", "address", "add", "10.1.0.2/24", "dev", "eth0"], ["ip", "link", "set", "eth0", "up"], ["ip", "link", "set", "far", "up"],
                  ["ip", "route", "add", "default", "dev", "eth0"],
                  ["nft", f"table ip seine {{\nchain out {{\ntype nat hook output priority -100\n"
                          f"ip daddr {SERVICE} tcp dport {APPLICATION} redirect to :{CAPTURED}\n}}\n}}"]):
        subprocess.run(words, check=True)
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        config = bootstrap(folder)
        backend = subprocess.Popen(["taskset", "-c", "1", f"{given.helpers}/backend", str(BACKEND), "100"])
        print(f"{'proxy':<10}{'path':<12}{'connections/s':>14}{'slowest':>9}{'us CPU each':>13}  errors")
        for name, program in (("seine", f"{given.bin}/seine-proxy"), ("envoy", given.envoy)):
            if not program:
                continue
            log = open(folder / f"{name}.log", "w")
            proxy = subprocess.Popen(["taskset", "-c", "0", program, "-c", config, "--concurrency", "1"], stdout=log, stderr=log)
            try:
                wait_for(PLAIN)
                wait_for(CAPTURED)
                time.sleep(0.3)
                for path, address, port in (("direct", "127.0.0.1", PLAIN), ("REDIRECT", SERVICE, APPLICATION)):
                    rates, costs, errors = measure(proxy, address, port, given)
                    print(f"{name:<10}{path:<12}{sorted(rates)[len(rates) // 2]:>14.0f}{min(rates):>9.0f}"
                          f"{sorted(costs)[len(costs) // 2]:>13.1f}  {errors}", flush=True)
            finally:
                proxy.send_signal(signal.SIGTERM)
                proxy.wait()
        backend.kill()
        backend.wait()


if __name__ == "__main__":
    main()
