# SPDX-License-Identifier: Apache-2.0
"""What an area is made of: listeners, clusters, and cases; and the short ways to write them."""
import dataclasses

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
FORMAT = "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_CLUSTER%\n"


@dataclasses.dataclass
class Case:
    """One connection: bytes, or HTTP/2 streams, that are sent to a listener of both proxies."""
    name: str
    send: object = b""       # bytes, or a list of bytes, seconds to wait (float), "response", ("bytes", count)
    listener: str = "main"
    responses: int = 1
    method: str = ""         # of the request, when the first word of what is sent does not say it
    tls: dict = None
    h2: list = None
    then: object = None      # called with the h2 connection, before its bytes are sent
    bytes: int = None        # plain TCP: how many to wait for
    shut: bool = False       # half-close after the responses
    until_close: bool = False
    again: int = 1           # times; for what is chosen by weight or by turns
    patience: float = 4      # seconds to wait for each piece of the answer
    upstreams: bool = True   # whether what the upstreams saw is compared
    chance: str = ""         # names of values that chance decides, a glob


@dataclasses.dataclass
class Area:
    listeners: list
    cases: list
    clusters: list = dataclasses.field(default_factory=lambda: [cluster("a"), cluster("b")])
    backends: tuple = ("a", "b")
    stats: list = dataclasses.field(default_factory=list)  # names whose values must agree in the end
    format: str = FORMAT
    more: dict = dataclasses.field(default_factory=dict)   # of the bootstrap
    secrets: list = dataclasses.field(default_factory=list)


def get(path="/", host="example.com", *headers, method="GET", body=None, version="HTTP/1.1"):
    """The bytes of a request. Headers are "name: value"."""
    lines = [f"{method} {path} {version}", f"host: {host}", *headers]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode("latin-1")


def h2_get(path="/", host="example.com", *headers, method="GET", scheme="http", **more):
    return {"headers": [(":method", method), (":scheme", scheme), (":authority", host), (":path", path), *headers], **more}


def to(target="a", match=None, **route):
    """A route to a cluster. match: a prefix, or the message."""
    match = match or "/"
    out = {"match": {"prefix": match} if isinstance(match, str) else match}
    action = route.pop("action", {})
    out["route"] = {"cluster": target, **action} if target else action
    return {**out, **route}


def answer(status, body="", match="/", **route):
    out = {"match": {"prefix": match} if isinstance(match, str) else match, "direct_response": {"status": status}, **route}
    if body:
        out["direct_response"]["body"] = {"inline_string": body}
    return out


def host(*routes, domains=("*",), name="all", **more):
    return {"name": name, "domains": list(domains), "routes": list(routes), **more}


def access_log(form=FORMAT):
    return {"name": "envoy.access_loggers.file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "@@log",
        "log_format": {"text_format_source": {"inline_string": form}}}}


def manager(*hosts, filters=(), route_config=None, log=FORMAT, **hcm):
    """The filter of an HTTP connection manager."""
    hosts = [one if "domains" in one else host(one) for one in hosts] or [host(to("a"))]
    out = {"@type": HCM, "stat_prefix": "t", "route_config": {"name": "r", "virtual_hosts": hosts, **(route_config or {})},
           "http_filters": [*filters, ROUTER], "access_log": [access_log(log)] if log else [], **hcm}
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": out}


def listener(name, *filters, chain=None, chains=None, **more):
    """One filter chain of these filters, or the chains given."""
    return {"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": f"@@{name}"}},
            "filter_chains": chains or [{"filters": list(filters), **(chain or {})}], **more}


def http(name="main", *hosts, listener_more=None, **hcm):
    return listener(name, manager(*hosts, **hcm), **(listener_more or {}))


def cluster(name, *backends, http2=False, **more):
    out = {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {"cluster_name": name, "endpoints": [{
        "lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": f"@@{backend}"}}}}
                         for backend in (backends or (name,))]}]}, **more}
    if http2:
        out["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}}}
    return out


def add(name, value, action="APPEND_IF_EXISTS_OR_ADD", **more):
    """A header to add."""
    return {"header": {"key": name, "value": value}, "append_action": action, **more}


def typed(kind, **fields):
    return {"@type": f"type.googleapis.com/{kind}", **fields}
