#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start over xDS: milliseconds from the start of the process to the first answer through a route, and the memory then,
with N clusters of ten endpoints that an ADS server made with grpcio sends (all answers serialized beforehand, state of
the world). Run by the Python of the interop tests' venv, which has grpcio and xds-protos; see README.md."""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time
from concurrent import futures

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from compare import answers, memory, wait_for
from peers import free_port

KINDS = {"cluster": "envoy.config.cluster.v3.Cluster", "endpoint": "envoy.config.endpoint.v3.ClusterLoadAssignment",
         "listener": "envoy.config.listener.v3.Listener"}


def endpoints(name, hosts):
    out = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    locality = out.endpoints.add()
    for host, port in hosts:
        address = locality.lb_endpoints.add().endpoint.address.socket_address
        address.address, address.port_value = host, port
    return out


def cluster(name):
    out = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    out.eds_cluster_config.eds_config.ads.SetInParent()
    out.eds_cluster_config.eds_config.resource_api_version = 2
    return out


def listener(port):
    http = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="web")
    host = http.route_config.virtual_hosts.add(name="all", domains=["*"])
    route = host.routes.add()
    route.match.prefix, route.route.cluster = "/", "backend"
    http.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    out = listener_pb2.Listener(name="web")
    out.address.socket_address.address, out.address.socket_address.port_value = "127.0.0.1", port
    out.filter_chains.add().filters.add(name="http").typed_config.Pack(http)
    return out


def answer(kind, messages):
    out = discovery_pb2.DiscoveryResponse(version_info="1", nonce="1", type_url="type.googleapis.com/" + KINDS[kind])
    for message in messages:
        packed = any_pb2.Any()
        packed.Pack(message)
        out.resources.append(packed)
    return out.SerializeToString()


def serve(prepared):
    """Answers what is asked for first, and again where more names are asked for; ACKs are not answered."""
    def stream(requests, _):
        names = {}
        for request in requests:
            wanted = sorted(request.resource_names)
            if request.type_url in prepared and names.get(request.type_url) != wanted:
                names[request.type_url] = wanted
                yield prepared[request.type_url]

    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "envoy.service.discovery.v3.AggregatedDiscoveryService",
        {"StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(stream, discovery_pb2.DiscoveryRequest.FromString)}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def bootstrap(ads):
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = {"socket_address": {"address": "127.0.0.1", "port_value": ads}}
    source = {"ads": {}, "resource_api_version": "V3"}
    return {"node": {"id": "bench", "cluster": "bench"},
            "dynamic_resources": {"cds_config": source, "lds_config": source, "ads_config": {
                "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "ads"}}]}},
            "static_resources": {"clusters": [{
                "name": "ads", "type": "STATIC", "connect_timeout": "1s",
                "typed_extension_protocol_options": {options: {"@type": "type.googleapis.com/" + options,
                                                               "explicit_http_config": {"http2_protocol_options": {}}}},
                "load_assignment": {"cluster_name": "ads", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}}]}}


def start(program, file, port, log):
    began = time.monotonic()
    process = subprocess.Popen(["taskset", "-c", "0", program, "-c", file, "--concurrency", "1"], stdout=log, stderr=log)
    try:
        while not answers(port):
            if time.monotonic() - began > 30:
                raise SystemExit(f"{program}: no answer in 30 s")
            time.sleep(0.0005)
        took = time.monotonic() - began
        time.sleep(2)  # it tidies up a second later
        return took, *memory(process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bin", required=True, help="folder of seine-proxy")
    arguments.add_argument("--helpers", required=True, help="folder of backend")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--clusters", type=int, nargs="*", default=[0, 1000])
    arguments.add_argument("--envoy", help="an envoy binary, to join")
    given = arguments.parse_args()
    backend, port = free_port(), free_port()
    behind = subprocess.Popen(["taskset", "-c", "1", f"{given.helpers}/backend", str(backend), "100"])
    wait_for(backend)
    print(f"{'proxy':<10}{'clusters':>9}{'ms':>9}{'PSS MB':>9}{'RSS MB':>9}")
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        for count in given.clusters:
            names = [f"more{i}" for i in range(count)]
            hosts = {n: [(f"10.1.{i // 250}.{i % 250 + 1}", 8000 + j) for j in range(10)] for i, n in enumerate(names)}
            prepared = {
                "cluster": answer("cluster", map(cluster, ["backend", *names])),
                "endpoint": answer("endpoint", [endpoints("backend", [("127.0.0.1", backend)]), *(endpoints(n, hosts[n]) for n in names)]),
                "listener": answer("listener", [listener(port)])}
            server, ads = serve({"type.googleapis.com/" + KINDS[kind]: text for kind, text in prepared.items()})
            file = folder / "proxy.json"
            file.write_text(json.dumps(bootstrap(ads)))
            for name, program in (("seine", f"{given.bin}/seine-proxy"), ("envoy", given.envoy)):
                if program:
                    with open(folder / f"{name}.log", "w") as log:
                        rows = [start(program, file, port, log) for _ in range(given.rounds)]
                    took, pss, rss = (statistics.median(column) for column in zip(*rows))
                    print(f"{name:<10}{count:>9}{took * 1000:>9.1f}{pss / 1024:>9.1f}{rss / 1024:>9.1f}", flush=True)
            server.stop(0)
    behind.kill()
    behind.wait()


if __name__ == "__main__":
    main()
