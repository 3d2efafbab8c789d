# SPDX-License-Identifier: Apache-2.0
"""An xDS server that is not ours: grpcio and upstream's own messages drive seine-proxy, state of the world and delta."""
import http.server
import json
import pathlib
import queue
import tempfile
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2, config_source_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.service.discovery.v3 import discovery_pb2

import peers

TYPES = {
    "cluster": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoint": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listener": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "route": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}


def packed(message):
    any_message = any_pb2.Any()
    any_message.Pack(message)
    return any_message


def ads():
    source = config_source_pb2.ConfigSource(resource_api_version=2)
    source.ads.SetInParent()
    return source


def address(port):
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address="127.0.0.1", port_value=port))


def cluster(name):
    c = cluster_pb2.Cluster(name=name, type=cluster_pb2.Cluster.EDS)
    c.connect_timeout.seconds = 1
    c.eds_cluster_config.eds_config.CopyFrom(ads())
    c.eds_cluster_config.service_name = name
    return c


def endpoints(name, port):
    a = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    e = a.endpoints.add().lb_endpoints.add()
    e.endpoint.address.CopyFrom(address(port))
    return a


def route(weights, name="web"):
    r = route_pb2.RouteConfiguration(name=name)
    host = r.virtual_hosts.add(name="all", domains=["*"])
    entry = host.routes.add()
    entry.match.prefix = "/"
    for cluster_name, weight in weights.items():
        w = entry.route.weighted_clusters.clusters.add(name=cluster_name)
        w.weight.value = weight
    return r


def listener(port, unknown_filter=False, name="web"):
    manager = hcm_pb2.HttpConnectionManager(stat_prefix="web")
    manager.rds.route_config_name = "web"
    manager.rds.config_source.CopyFrom(ads())
    if unknown_filter:
        bad = manager.http_filters.add(name="no.such.filter")
        bad.typed_config.type_url = "type.googleapis.com/no.such.Filter"
    f = manager.http_filters.add(name="envoy.filters.http.router")
    f.typed_config.Pack(router_pb2.Router())
    l = listener_pb2.Listener(name=name, address=address(port))
    chain = l.filter_chains.add()
    chain.filters.add(name="envoy.filters.network.http_connection_manager").typed_config.Pack(manager)
    return l


class Ads:
    """Serves what `resources` holds ({type: {name: message}}) to every stream, both variants; notes every NACK."""

    def __init__(self):
        self.resources = {kind: {} for kind in TYPES}
        self.version = 1
        self.lock = threading.Lock()
        self.streams = []
        self.nacks = []
        self.acks = {}
        self.seen = set()

    def publish(self, kind, *messages, replace=True):
        with self.lock:
            key = "cluster_name" if kind == "endpoint" else "name"
            self.resources[kind] = {getattr(m, key): m for m in messages}
            self.version += 1
            streams = list(self.streams)
        for stream in streams:
            stream.put(("push", TYPES[kind]))

    def kind_of(self, url):
        return next((k for k, u in TYPES.items() if u == url), None)

    def note(self, request):
        if request.HasField("error_detail"):
            self.nacks.append((self.kind_of(request.type_url), request.error_detail.message))
        elif request.response_nonce:
            self.acks[self.kind_of(request.type_url)] = request.response_nonce

    def serve(self, requests, answer):
        events = queue.Queue()
        with self.lock:
            self.streams.append(events)

        def pump():
            try:
                for request in requests:
                    events.put(("request", request))
            except grpc.RpcError:
                pass
            events.put(("end", None))

        threading.Thread(target=pump, daemon=True).start()
        while True:
            what, value = events.get()
            if what == "end":
                return
            yield from answer(what, value)

    def sotw(self, requests, _):
        names = {}

        def answer(what, value):
            if what == "request":
                self.note(value)
                url = value.type_url
                self.seen.add(self.kind_of(url))
                known = names.get(url)
                names[url] = set(value.resource_names)
                if value.response_nonce and known == names[url]:
                    return
            else:
                url = value
                if url not in names:
                    return
            kind = self.kind_of(url)
            if kind is None:
                return
            with self.lock:
                wanted = [m for n, m in self.resources[kind].items() if not names[url] or n in names[url]]
                yield discovery_pb2.DiscoveryResponse(version_info=str(self.version), nonce=f"{kind}{self.version}", type_url=url,
                                                      resources=[packed(m) for m in wanted])

        yield from self.serve(requests, answer)

    def delta(self, requests, _):
        names, sent = {}, {}

        def answer(what, value):
            if what == "request":
                self.note(value)
                url = value.type_url
                self.seen.add(self.kind_of(url))
                fresh = url not in names
                subscribed = names.setdefault(url, set())
                subscribed.update(value.resource_names_subscribe)
                subscribed.difference_update(value.resource_names_unsubscribe)
                if value.response_nonce and not value.resource_names_subscribe and not fresh:
                    return
            else:
                url = value
                if url not in names:
                    return
            kind = self.kind_of(url)
            if kind is None:
                return
            with self.lock:
                wildcard = not names[url] or "*" in names[url]
                wanted = {n: m for n, m in self.resources[kind].items() if wildcard or n in names[url]}
                before = sent.setdefault(url, {})
                changed = {n: m for n, m in wanted.items() if before.get(n) != m.SerializeToString(deterministic=True)}
                removed = [n for n in before if n not in wanted]
                sent[url] = {n: m.SerializeToString(deterministic=True) for n, m in wanted.items()}
                if not changed and not removed and not fresh:
                    return
                yield discovery_pb2.DeltaDiscoveryResponse(
                    system_version_info=str(self.version), nonce=f"{kind}{self.version}", type_url=url, removed_resources=removed,
                    resources=[discovery_pb2.Resource(name=n, version=str(self.version), resource=packed(m)) for n, m in changed.items()])

        yield from self.serve(requests, answer)

    def start(self):
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("envoy.service.discovery.v3.AggregatedDiscoveryService", {
            "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(
                self.sotw, discovery_pb2.DiscoveryRequest.FromString, discovery_pb2.DiscoveryResponse.SerializeToString),
            "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(
                self.delta, discovery_pb2.DeltaDiscoveryRequest.FromString, discovery_pb2.DeltaDiscoveryResponse.SerializeToString)}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, port


def backend(text):
    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def bootstrap(ads_port, admin_port, api_type):
    return {
        "node": {"id": "sidecar~127.0.0.1~judge.default~default.svc.cluster.local", "cluster": "judge"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "dynamic_resources": {
            "ads_config": {"api_type": api_type, "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "ads"}}]},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"}},
        "static_resources": {"clusters": [{
            "name": "ads", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}},
            "load_assignment": {"cluster_name": "ads", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
                "socket_address": {"address": "127.0.0.1", "port_value": ads_port}}}}]}]}}]},
    }


def drive(proxy, api_type):
    print(f"a grpcio ADS server drives seine-proxy, {api_type}")
    one, two, three = backend("one"), backend("two"), backend("three")
    server = Ads()
    web = peers.free_port()
    server.publish("cluster", cluster("one"), cluster("two"))
    server.publish("endpoint", endpoints("one", one), endpoints("two", two))
    server.publish("listener", listener(web))
    server.publish("route", route({"one": 20, "two": 80}))
    grpc_server, ads_port = server.start()
    admin = peers.free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "bootstrap.json"
        file.write_text(json.dumps(bootstrap(ads_port, admin, api_type)))
        log = pathlib.Path(folder) / "proxy.log"
        process = peers.start([proxy, "-c", str(file)], log)
        up = peers.until(lambda: get_text(web) in ("one", "two"))
        if not peers.check("the listener serves once routes and endpoints are there", up, log.read_text()[-1500:]):
            process.kill()
            return
        answers = [get_text(web) for _ in range(300)]
        peers.check("weights 20 and 80", set(answers) == {"one", "two"} and peers.within(answers.count("one"), 300, 0.2), answers.count("one"))
        peers.check("no NACK so far", not server.nacks, server.nacks)
        peers.check("every type was asked for and acknowledged", set(server.acks) == set(TYPES), server.acks)

        server.publish("route", route({"two": 1}))
        peers.check("a new route takes effect", peers.until(lambda: all(get_text(web) == "two" for _ in range(10))))
        server.publish("endpoint", endpoints("one", one), endpoints("two", three))
        peers.check("new endpoints take effect", peers.until(lambda: all(get_text(web) == "three" for _ in range(10))))

        server.publish("listener", listener(web, unknown_filter=True))
        peers.check("a required filter that is unknown is NACKed by name",
                    peers.until(lambda: any(k == "listener" and "no.such.filter" in m for k, m in server.nacks)), server.nacks)
        peers.check("the last good configuration stays", get_text(web) == "three")
        server.publish("listener", listener(web))

        grpc_server.stop(0)
        peers.check("a lost control plane costs no request", all(get_text(web) == "three" for _ in range(50)))
        process.terminate()
        peers.check("SIGTERM ends it", process.wait(20) is not None)


def get_text(port):
    try:
        return peers.get(port)[1]
    except OSError as error:
        return f"failed: {error}"
