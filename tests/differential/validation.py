# SPDX-License-Identifier: Apache-2.0
"""Configurations on their own, by --mode validate: what both must refuse, and what Seine must refuse by name until it is built."""
import concurrent.futures
import copy
import json
import subprocess

from case import access_log, answer, cluster, host, http, listener, manager, to, typed

UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
DOWNSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def config(*listeners, clusters=None, **more):
    return {"static_resources": {"listeners": list(listeners), "clusters": clusters if clusters is not None else [cluster("a")]}, **more}


def route(**more):
    return config(http("main", host({**to("a"), **more})))


def action(**more):
    return config(http("main", host(to("a", action=more))))


def match(**more):
    return config(http("main", host(to("a", more))))


def vhost(**more):
    return config(http("main", host(to("a"), **more)))


def hcm(**more):
    return config(http("main", **more))


def table(**more):
    return config(http("main", route_config=more))


def a_cluster(**more):
    return config(http("main"), clusters=[cluster("a", **more)])


def tcp(**more):
    return config(listener("main", {"name": "t", "typed_config": typed(TCP, **({"stat_prefix": "t", "cluster": "a"} | more))}))


def of_listener(**more):
    return config(http("main", listener_more=more))


def chain(**more):
    return config(http("main", listener_more={"chain": more}))


def downstream_tls(common=None, **more):
    pem = {"inline_string": "@@pem"}, {"inline_string": "@@key"}
    common = {"tls_certificates": [{"certificate_chain": pem[0], "private_key": pem[1]}], **(common or {})}
    return chain(transport_socket={"name": "tls", "typed_config": typed(DOWNSTREAM_TLS, common_tls_context=common, **more)})


def upstream_tls(**more):
    return a_cluster(transport_socket={"name": "tls", "typed_config": typed(UPSTREAM_TLS, **more)})


def protocol(**more):
    return a_cluster(typed_extension_protocol_options={OPTIONS: typed(OPTIONS, **more)})


def without(message, path):
    message = copy.deepcopy(message)
    at = message
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return message


ROUTE_AT = ["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config"]
REGEX = {"pattern": {"regex": "("}, "substitution": "x"}

# Refused by both.
BROKEN = {
    "a filter that is not known": config(listener("main", {"name": "x", "typed_config": typed("envoy.no.such.Filter")})),
    "a field that is not known": hcm(no_such_field=1),
    "a field of the wrong kind": hcm(xff_num_trusted_hops="many"),
    "no stat_prefix": hcm(stat_prefix=""),
    "no routes": without(hcm(), [*ROUTE_AT, "route_config"]),
    "the router in front": hcm(http_filters=[manager()["typed_config"]["http_filters"][0], {"name": "c", "typed_config": typed("envoy.extensions.filters.http.cors.v3.Cors")}]),
    "no router": hcm(http_filters=[{"name": "c", "typed_config": typed("envoy.extensions.filters.http.cors.v3.Cors")}]),
    "an HTTP filter that is not known": hcm(http_filters=[{"name": "x", "typed_config": typed("envoy.no.such.Filter")}]),
    "a domain twice": config(http("main", host(to("a"), name="x"), host(to("a"), name="y"))),
    "a domain twice but for its case": config(http("main", host(to("a"), name="x", domains=["A"]), host(to("a"), name="y", domains=["a"]))),
    "a virtual host without a name": vhost(name=""), "a virtual host without domains": vhost(domains=[]),
    "no match": config(http("main", host({"route": {"cluster": "a"}}))), "an empty match": config(http("main", host({"match": {}, "route": {"cluster": "a"}}))), "no action": config(http("main", host({"match": {"prefix": "/"}}))), "an action without a cluster": config(http("main", host({"match": {"prefix": "/"}, "route": {}}))),
    "a regular expression that is none": match(safe_regex={"regex": "("}), "an empty regular expression": match(safe_regex={"regex": ""}), "a lookahead": match(safe_regex={"regex": "(?=a)"}),
    "a header match without a name": match(prefix="/", headers=[{"name": "", "present_match": True}]), "a header match by a broken expression": match(prefix="/", headers=[{"name": "a", "string_match": {"safe_regex": {"regex": "["}}}]),
    "a query match without a name": match(prefix="/", query_parameters=[{"name": ""}]), "a separated prefix with a slash": match(path_separated_prefix="/a/"), "a separated prefix with a query": match(path_separated_prefix="/a?b"), "a separated prefix without a slash": match(path_separated_prefix="a"),
    "a rewrite of two kinds": action(prefix_rewrite="/a", regex_rewrite={"pattern": {"regex": "a"}, "substitution": "b"}), "a rewrite by a broken expression": action(regex_rewrite=REGEX),
    "weights of 0": config(http("main", host(to(None, action={"weighted_clusters": {"clusters": [{"name": "a", "weight": 0}]}})))), "no weighted clusters": config(http("main", host(to(None, action={"weighted_clusters": {"clusters": []}})))),
    "weights past 2^32": config(http("main", host(to(None, action={"weighted_clusters": {"clusters": [{"name": "a", "weight": 4294967295}, {"name": "a", "weight": 4294967295}]}})))),
    "a cluster that is not there": config(http("main", host(to("nowhere"))), ), "a header to add without a name": route(request_headers_to_add=[{"header": {"key": "", "value": "x"}}]),
    "a header to add with a bad operator": route(request_headers_to_add=[{"header": {"key": "a", "value": "%NO_SUCH%"}}]), "a header to add with a lone percent": route(request_headers_to_add=[{"header": {"key": "a", "value": "50%"}}]),
    "the pseudo-header :path to add": route(request_headers_to_add=[{"header": {"key": ":path", "value": "x"}}]), "host to add": route(request_headers_to_add=[{"header": {"key": "host", "value": "x"}}]), "host to remove": route(request_headers_to_remove=["host"]), ":authority to remove": route(request_headers_to_remove=[":authority"]),
    "a header to add with CR LF": route(request_headers_to_add=[{"header": {"key": "a", "value": "x\r\ny: z"}}]),
    "a direct response of 99": config(http("main", host(answer(99)))), "a direct response of 600": config(http("main", host(answer(600)))), "a direct response past 4 KiB": config(http("main", host(answer(200, "x" * 5000)))),
    "a fault with status 99": route(typed_per_filter_config={"envoy.filters.http.fault": typed("envoy.extensions.filters.http.fault.v3.HTTPFault", abort={"http_status": 99, "percentage": {"numerator": 1}})}),
    "a negative timeout": action(timeout="-1s"), "a timeout that is none": action(timeout="soon"), "a retry back-off of 0": action(retry_policy={"retry_on": "5xx", "retry_back_off": {"base_interval": "0s"}}), "a retry back-off upside down": action(retry_policy={"retry_on": "5xx", "retry_back_off": {"base_interval": "2s", "max_interval": "1s"}}),
    "a cluster without a name": config(http("main"), clusters=[cluster("a"), {**cluster("x", "b"), "name": ""}]), "two clusters of a name": config(http("main"), clusters=[cluster("a"), cluster("a")]),
    "an address that is none": config(http("main"), clusters=[{**cluster("a"), "load_assignment": {"cluster_name": "a", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "not.an.ip", "port_value": 1}}}}]}]}}]),
    "a port past 65535": config(http("main"), clusters=[{**cluster("a"), "load_assignment": {"cluster_name": "a", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "1.1.1.1", "port_value": 70000}}}}]}]}}]),
    "an endpoint weight of 0": config(http("main"), clusters=[{**cluster("a"), "load_assignment": {"cluster_name": "a", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "1.1.1.1", "port_value": 7}}}, "load_balancing_weight": 0}]}]}}]),
    "a connect timeout of 0": a_cluster(connect_timeout="0s"), "a Maglev table that is no prime": a_cluster(lb_policy="MAGLEV", maglev_lb_config={"table_size": 100}), "rings upside down": a_cluster(lb_policy="RING_HASH", ring_hash_lb_config={"minimum_ring_size": 10, "maximum_ring_size": 5}),
    "endpoints of another cluster type": a_cluster(type="EDS"), "original destination with endpoints": a_cluster(type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED"), "cluster-provided balance of a static cluster": a_cluster(lb_policy="CLUSTER_PROVIDED"),
    "a panic threshold of 200": a_cluster(common_lb_config={"healthy_panic_threshold": {"value": 200}}), "a least request choice of 1": a_cluster(lb_policy="LEAST_REQUEST", least_request_lb_config={"choice_count": 1}), "an ejection of 200 %": a_cluster(outlier_detection={"max_ejection_percent": 200}),
    "an outlier interval of 0": a_cluster(outlier_detection={"interval": "0s"}), "no server certificate": chain(transport_socket={"name": "tls", "typed_config": typed(DOWNSTREAM_TLS, common_tls_context={})}),
    "a certificate that is none": downstream_tls({"tls_certificates": [{"certificate_chain": {"inline_string": "x"}, "private_key": {"inline_string": "y"}}]}), "a file that is not there": downstream_tls({"tls_certificates": [{"certificate_chain": {"filename": "/no/such"}, "private_key": {"filename": "/no/such"}}]}),
    "a transport socket that is not known": a_cluster(transport_socket={"name": "x", "typed_config": typed("envoy.no.such.Socket")}), "TLS upside down": a_cluster(transport_socket={"name": "x", "typed_config": typed(DOWNSTREAM_TLS, common_tls_context={})}),
    "tcp_proxy without a cluster": config(listener("main", {"name": "t", "typed_config": typed(TCP, stat_prefix="t")})), "tcp_proxy without stat_prefix": tcp(stat_prefix=""), "tcp_proxy of weights 0": config(listener("main", {"name": "t", "typed_config": typed(TCP, stat_prefix="t", weighted_clusters={"clusters": [{"name": "a", "weight": 0}]})})),
    "two terminal filters": config(listener("main", manager(), manager())), "no terminal filter": config(listener("main", {"name": "r", "typed_config": typed("envoy.extensions.filters.network.rbac.v3.RBAC", stat_prefix="x")})),
    "two chains that match the same": config(listener("main", chains=[{"name": "x", "filters": [manager()]}, {"name": "y", "filters": [manager()]}])), "a prefix that is none": config(listener("main", chains=[{"filters": [manager()], "filter_chain_match": {"prefix_ranges": [{"address_prefix": "x", "prefix_len": 1}]}}])),
    "a star in a server name": config(listener("main", chains=[{"filters": [manager()], "filter_chain_match": {"server_names": ["a*.b"]}}])),
    "a listener filter that is not known": of_listener(listener_filters=[{"name": "x", "typed_config": typed("envoy.no.such.Filter")}]), "an access log format that is none": hcm(access_log=[access_log("%NO_SUCH%")]), "an access log without a path": hcm(access_log=[{"name": "x", "typed_config": typed("envoy.extensions.access_loggers.file.v3.FileAccessLog")}]),
    "an access log that is not known": hcm(access_log=[{"name": "x", "typed_config": typed("envoy.no.such.Log")}]), "a codec that is none": hcm(codec_type="HTTP9"), "max_request_headers_kb of 0": hcm(max_request_headers_kb=0), "max_request_headers_kb of 100000": hcm(max_request_headers_kb=100000),
    "a redirect of two paths": config(http("main", host({"match": {"prefix": "/"}, "redirect": {"path_redirect": "/a", "prefix_rewrite": "/b"}}))), "a redirect with CR LF": config(http("main", host({"match": {"prefix": "/"}, "redirect": {"path_redirect": "/a\r\nb"}}))),
    "strip_any_host_port and strip_matching_host_port": hcm(strip_any_host_port=True, strip_matching_host_port=True),
    "max_concurrent_streams of 0": hcm(http2_protocol_options={"max_concurrent_streams": 0}), "two protocols at once": protocol(explicit_http_config={"http_protocol_options": {}}, use_downstream_protocol_config={}), "no protocol": protocol(),
    "a cookie hash without a name": action(hash_policy=[{"cookie": {"name": ""}}]), "a header hash without a name": action(hash_policy=[{"header": {"header_name": ""}}]), "a mirror without a cluster": action(request_mirror_policies=[{}]),
    "per-route settings of a filter that is not known": route(typed_per_filter_config={"x": typed("envoy.no.such.Filter")}),
    "no name for request headers to remove": route(request_headers_to_remove=[""]), "an upgrade twice": hcm(upgrade_configs=[{"upgrade_type": "websocket"}, {"upgrade_type": "websocket"}]),
}

# What Envoy takes and Seine does not do yet: (the configuration, the name that the refusal must say).
NOT_BUILT = {
    "hedging": (action(hedge_policy={"hedge_on_per_try_timeout": True}), "hedge_policy"),
    "vhost_header": (table(vhost_header="x"), "vhost_header"),
    "drop_overloads": (config(http("main"), clusters=[{**cluster("a"), "load_assignment": {**cluster("a")["load_assignment"], "policy": {"drop_overloads": [{"category": "x", "drop_percentage": {"numerator": 1}}]}}}]), "drop_overloads"),
    "use_proxy_proto": (chain(use_proxy_proto=True), "use_proxy_proto"),
    "allow_renegotiation": (upstream_tls(allow_renegotiation=True), "allow_renegotiation"),
}


# Taken by Seine though Envoy refuses them: (the configuration, why).
TOLERATED = {
    "a cluster that is not there": "what comes later by CDS may be named before; requests are answered 503 until then",
}


def validated(program, file, envoy):
    command = [program, "--mode", "validate", "-c", file, *(["--disable-hot-restart"] if envoy else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    text = done.stdout + done.stderr
    if done.returncode < 0:
        return None, f"died with {done.returncode}: {text[-500:]}"
    return done.returncode == 0, text.strip()[-600:]


def run(given, envoy, directory, ran, wanted):
    import pathlib

    from proxies import Certificate
    directory = directory / "validation"
    directory.mkdir()
    certificate = Certificate(directory, "server", "/CN=server")
    pem = {"@@pem": certificate.chain.read_text(), "@@key": certificate.key.read_text()}
    seine = pathlib.Path(given.bin) / "seine-proxy"

    def write(number, message):
        text = json.dumps(message)
        for name, value in pem.items():
            text = text.replace(name, json.dumps(value)[1:-1])
        for number_of_port, name in enumerate(["a", "b", "main"]):
            text = text.replace(f'"@@{name}"', str(number_of_port + 20001))
        text = text.replace("@@log", str(directory / "log"))
        file = directory / f"{number}.json"
        file.write_text(text)
        return file

    def broken(number, name, message):
        file = write(number, message)
        (theirs, their_text), (ours, our_text) = validated(envoy, file, True), validated(seine, file, False)
        if theirs is not False:
            return f"validation/broken {name}: Envoy takes it: {their_text}"
        if name in TOLERATED:
            return None if ours else f"validation/broken {name}: Seine refuses it now: {our_text}"
        return None if ours is False else f"validation/broken {name}: Seine takes it; Envoy says: {their_text[-200:]}" if ours else f"validation/broken {name}: {our_text}"

    def not_built(number, name, message, word):
        file = write(number, message)
        (theirs, their_text), (ours, our_text) = validated(envoy, file, True), validated(seine, file, False)
        if not theirs:
            return f"validation/not built {name}: Envoy refuses it too: {their_text}"
        if ours:
            return f"validation/not built {name}: Seine takes it: write cases of what it does, or refuse it"
        return None if word in our_text else f"validation/not built {name}: the refusal does not say {word}: {our_text}"

    jobs = [(broken, f"broken {name}", (name, message)) for name, message in BROKEN.items()]
    jobs += [(not_built, f"not built {name}", (name, *entry)) for name, entry in NOT_BUILT.items()]
    jobs = [job for job in jobs if wanted(job[1])]
    ran += [f"validation/{name}" for _, name, _ in jobs]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [failure for failure in pool.map(lambda job: job[1][0](job[0], *job[1][2]), enumerate(jobs)) if failure]
