# SPDX-License-Identifier: Apache-2.0
"""Headers that routes, virtual hosts, route tables and weighted clusters add and remove, with format operators."""
from case import Area, Case, add, answer, cluster, get, host, http, to

OPERATORS = [
    "%REQ(x-a)%", "%REQ(X-A?x-b)%", "%REQ(x-none)%", "%REQ(x-a):2%", "%REQ(:path)%", "%REQ(:AUTHORITY)%", "%REQ(:METHOD)%", "%PROTOCOL%", "%DOWNSTREAM_LOCAL_ADDRESS%",
    "%DOWNSTREAM_LOCAL_PORT%", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "%DOWNSTREAM_REMOTE_ADDRESS%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "%REQUESTED_SERVER_NAME%", "%ROUTE_NAME%", "%UPSTREAM_CLUSTER%", "%HOSTNAME%x", "100%%", "a %% b", "%RESPONSE_FLAGS%",
    "%DYNAMIC_METADATA(a:b)%", "%CONNECTION_TERMINATION_DETAILS%", "%DOWNSTREAM_PEER_SUBJECT%", "plain", "%RESP(x-b)%",
    "%RESPONSE_CODE%", "%RESPONSE_CODE_DETAILS%", "%UPSTREAM_HOST%", "%VIRTUAL_CLUSTER_NAME%", "%BYTES_RECEIVED%", "%REQ(x-a)%-%REQ(x-none)%",
    "%METADATA(ROUTE:a:b)%", "%METADATA(ROUTE:a)%", "%METADATA(CLUSTER:a:b)%", "%PATH(NQ)%", "%PATH(WQ:ORIG)%", "%UPSTREAM_CLUSTER_RAW%", "%TRACE_ID%",
    "%GRPC_STATUS%", "%STREAM_ID%",
]


def operator_routes():
    for index, operator in enumerate(OPERATORS):
        yield to("a", {"path": f"/op{index}"}, name=f"route {index}", metadata={"filter_metadata": {"a": {"b": "meta", "n": 3}}},
                 request_headers_to_add=[add("x-op", operator)], response_headers_to_add=[add("x-op", operator)])


ACTIONS = ["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"]
LEVELS = dict(
    request_headers_to_add=[add("x-level", "host"), add("x-over", "host", "OVERWRITE_IF_EXISTS_OR_ADD")], request_headers_to_remove=["x-host-removes"],
    response_headers_to_add=[add("x-level", "host"), add("x-over", "host", "OVERWRITE_IF_EXISTS_OR_ADD")], response_headers_to_remove=["x-host-removes"])
TABLE = dict(
    request_headers_to_add=[add("x-level", "table"), add("x-over", "table", "OVERWRITE_IF_EXISTS_OR_ADD")], request_headers_to_remove=["x-table-removes"],
    response_headers_to_add=[add("x-level", "table"), add("x-over", "table", "OVERWRITE_IF_EXISTS_OR_ADD")], response_headers_to_remove=["x-table-removes"])
ROUTE = dict(
    request_headers_to_add=[add("x-level", "route"), add("x-over", "route", "OVERWRITE_IF_EXISTS_OR_ADD")], request_headers_to_remove=["x-route-removes", "x-both"],
    response_headers_to_add=[add("x-level", "route"), add("x-over", "route", "OVERWRITE_IF_EXISTS_OR_ADD"), add("x-both", "again")],
    response_headers_to_remove=["x-route-removes", "x-both"])
WEIGHTED = {"weighted_clusters": {"clusters": [{
    "name": "a", "weight": 1, "request_headers_to_add": [add("x-level", "cluster"), add("x-over", "cluster", "OVERWRITE_IF_EXISTS_OR_ADD")],
    "response_headers_to_add": [add("x-level", "cluster"), add("x-over", "cluster", "OVERWRITE_IF_EXISTS_OR_ADD")],
    "request_headers_to_remove": ["x-cluster-removes"], "response_headers_to_remove": ["x-cluster-removes"]}]}}
LEVELLED = host(to(None, "/weighted", action=WEIGHTED, **ROUTE), to("a", "/plain", **ROUTE), to("a"), answer(200, "x", "/answer", **ROUTE), **LEVELS)
LEVELLED["routes"].insert(0, LEVELLED["routes"].pop())

BASICS = host(
    *[to("a", f"/{action}", request_headers_to_add=[add("x-a", "new", action)], response_headers_to_add=[add("x-a", "new", action)]) for action in ACTIONS],
    to("a", "/empty", request_headers_to_add=[add("x-e", ""), add("x-k", "", keep_empty_value=True), add("x-n", "%REQ(x-none)%")]),
    to("a", "/remove", request_headers_to_remove=["X-A", "x-envoy-expected-rq-timeout-ms", "x-forwarded-proto", "x-request-id", "user-agent"],
       response_headers_to_remove=["server", "date", "x-envoy-upstream-service-time", "X-B"]),
    to("a", "/oldappend", request_headers_to_add=[{"header": {"key": "x-a", "value": "new"}, "append": False}]),
    to("a", "/pseudo", request_headers_to_add=[add("x-A-Upper", "V"), add("user-agent", "new", "OVERWRITE_IF_EXISTS_OR_ADD")]),
    to("a", "/content", response_headers_to_add=[add("content-type", "text/html", "OVERWRITE_IF_EXISTS_OR_ADD"), add("set-cookie", "a=b"), add("set-cookie", "c=d")]),
    to("a"),
)


def cases():
    for index, operator in enumerate(OPERATORS):
        yield Case(f"operator {operator}", get(f"/op{index}?q=1", "example.com", "x-a: alpha", "x-b: beta", "x-do: header x-b=resp"), "operators")
    for action in ACTIONS:
        for headers in [[], ["x-a: old"], ["x-a: old", "X-A: older"]]:
            do = "x-do: " + "; ".join("header x-a=" + header.split(": ")[1] for header in headers)
            yield Case(f"{action} over {len(headers)}", get(f"/{action}", "example.com", *headers, do))
    for path in ["/empty", "/remove", "/oldappend", "/pseudo", "/content", "/plain"]:
        yield Case(f"basic {path}", get(path, "example.com", "x-a: old", "user-agent: me", "x-do: header x-b=1; header X-Upper=Y; header set-cookie=z"))
    removes = [f"x-{level}-removes: 1" for level in ("host", "table", "route", "cluster")] + ["x-both: 1"]
    do = "x-do: " + "; ".join("header " + header.replace(": ", "=") for header in removes)
    for where in ["levels", "specific"]:
        for path in ["/weighted", "/plain", "/other", "/answer"]:
            yield Case(f"{where} {path}", get(path, "example.com", "x-level: sent", do, *removes), where)
    yield Case("hop by hop", get("/", "example.com", "connection: x-gone, close", "x-gone: 1", "keep-alive: 1", "proxy-connection: keep-alive", "te: trailers, gzip", "proxy-authorization: b"))
    yield Case("te trailers", get("/", "example.com", "te: trailers"))
    yield Case("te gzip", get("/", "example.com", "te: gzip"))
    yield Case("connection te", get("/", "example.com", "connection: te", "te: trailers"))
    yield Case("hop by hop back", get("/", "example.com", "x-do: header connection=x-gone; header x-gone=1; header keep-alive=1; header proxy-authenticate=x; header te=x"))
    yield Case("server from upstream", get("/", "example.com", "x-do: header server=mine; header date=yesterday; header via=1.1 x"))
    yield Case("upper case", get("/", "Example.COM", "X-Mixed-Case: Value", "X-DO: header X-Mixed=V"))
    yield Case("spaces around", get("/", "example.com", "x-a:   v \t ", "x-b:", "x-c: \t"))
    yield Case("latin-1", get("/", "example.com", "x-a: \u00e9\u00ff"))
    yield Case("many of a name", get("/", "example.com", *[f"x-a: {n}" for n in range(20)]))
    yield Case("cookies", get("/", "example.com", "cookie: a=b", "cookie: c=d"))
    yield Case("underscores", get("/", "example.com", "x_under: 1"))
    yield Case("under passed by", get("/", "example.com", "x_under: 1"), "pass")
    yield Case("server passed", get("/", "example.com", "x-do: header server=mine"), "pass")
    yield Case("no server to pass", get("/"), "pass")
    yield Case("own answer of a passing server", get("/none"), "pass")
    yield Case("server if absent", get("/", "example.com", "x-do: header server=mine"), "absent")
    yield Case("no server", get("/"), "absent")
    yield Case("via", get("/", "example.com", "via: 1.0 a", "x-do: header via=1.1 up"), "absent")
    yield Case("dropped underscores", get("/", "example.com", "x_under: 1", "y: 2"), "drop")
    yield Case("refused underscores", get("/", "example.com", "x_under: 1"), "refuse")


AREA = Area(
    listeners=[http("main", BASICS), http("operators", host(*operator_routes())), http("levels", LEVELLED, route_config=TABLE),
               http("specific", LEVELLED, route_config={**TABLE, "most_specific_header_mutations_wins": True}),
               http("pass", host(answer(200, "x", "/none"), to("a")), server_header_transformation="PASS_THROUGH"),
               http("absent", server_header_transformation="APPEND_IF_ABSENT", via="me", server_name="named"),
               http("drop", common_http_protocol_options={"headers_with_underscores_action": "DROP_HEADER"}),
               http("refuse", common_http_protocol_options={"headers_with_underscores_action": "REJECT_REQUEST"})],
    cases=list(cases()), clusters=[cluster("a", metadata={"filter_metadata": {"a": {"b": "cluster meta"}}}), cluster("b")])
