# SPDX-License-Identifier: Apache-2.0
"""Paths and hosts that change on the way, and which cluster is chosen."""
from case import Area, Case, cluster, get, host, http, to


def rewrite(match, **action):
    return to("a", match, action=action)


ROUTES = host(
    rewrite("/prefix/", prefix_rewrite="/new/"),
    rewrite("/root", prefix_rewrite="/"),
    rewrite({"path": "/exact"}, prefix_rewrite="/new"),
    rewrite({"path_separated_prefix": "/sep"}, prefix_rewrite="/"),
    rewrite({"path_separated_prefix": "/sepn"}, prefix_rewrite="/n"),
    rewrite({"safe_regex": {"regex": "/re/.*"}}, prefix_rewrite="/new"),
    rewrite({"prefix": "/Case", "case_sensitive": False}, prefix_rewrite="/new"),
    rewrite("/rx", regex_rewrite={"pattern": {"regex": "^/rx/([^/]+)(/.*)$"}, "substitution": "\\2/at/\\1"}),
    rewrite("/whole", regex_rewrite={"pattern": {"regex": "o"}, "substitution": "[\\0]"}),
    rewrite("/slash", regex_rewrite={"pattern": {"regex": "/"}, "substitution": "\\\\"}),
    rewrite("/literal", host_rewrite_literal="new.example.com"),
    rewrite("/fromheader", host_rewrite_header="x-host"),
    rewrite("/appended", host_rewrite_literal="new.example.com", append_x_forwarded_host=True),
    rewrite("/appendonly", append_x_forwarded_host=True),
    to("named", "/auto", action={"auto_host_rewrite": True}),
    to("named", "/autoappend", action={"auto_host_rewrite": True, "append_x_forwarded_host": True}),
    to(None, "/byheader", action={"cluster_header": "x-cluster"}),
    to("nowhere", "/nowhere"),
    to("nowhere", "/no404", action={"cluster_not_found_response_code": "NOT_FOUND"}),
    to("nowhere", "/no500", action={"cluster_not_found_response_code": "INTERNAL_SERVER_ERROR"}),
    to("empty", "/empty"),
    to("refused", "/refused"),
    to(None, "/weighted", action={"weighted_clusters": {"clusters": [{"name": "a", "weight": 0}, {"name": "b", "weight": 100}]}}),
    to(None, "/weightednone", action={"weighted_clusters": {"clusters": [{"name": "nowhere", "weight": 1}, {"name": "b", "weight": 0}]}}),
    to(None, "/weightedhost", action={"weighted_clusters": {"clusters": [{"name": "b", "weight": 1, "host_rewrite_literal": "w"}]}}),
    to(None, "/weightedhosts", action={"host_rewrite_literal": "r", "weighted_clusters": {"clusters": [{"name": "b", "weight": 1, "host_rewrite_literal": "w"}]}}),
    to("a"),
)
NAMED = cluster("named", "a")
NAMED["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = "endpoint.example.com"
EMPTY = cluster("empty")
EMPTY["load_assignment"]["endpoints"] = []


def cases():
    for path in ["/prefix/", "/prefix/a?b=c", "/prefix/%2e/a", "/root", "/root/a", "/rootless", "/exact", "/exact?x=/exact", "/sep", "/sep/", "/sep/a", "/sep?x", "/sepn", "/sepn/a?x",
                 "/re/a/b?c", "/re/?", "/CASE/x", "/case", "/rx/one/two?x=/rx/one/two", "/rx/one", "/whole/foo/oo?o", "/slash/a", "/literal", "/appended", "/appendonly", "/auto", "/autoappend", "/byheader", "/nowhere", "/no404", "/no500", "/empty", "/refused", "/weighted",
                 "/weightednone", "/weightedhost", "/weightedhosts", "/", "/?", "/?a=b", "/a//b/./c/../d", "/%41%2f%5c%7e?%41", "/a;b=c", "/a|b", "/a[b]", "/\u00e9", "/{a}", '/"', "/a\\b", "/<>", "/^`"]:
        yield Case(f"{path}", get(path))
    for value in ["h.example.com", "", "H.Example.com:99", "a b"]:
        yield Case(f"host from header {value!r}", get("/fromheader", "example.com", f"x-host: {value}"))
    yield Case("host from a missing header", get("/fromheader"))
    yield Case("host from two headers", get("/fromheader", "example.com", "x-host: one", "x-host: two"))
    for value in ["a", "b", "nowhere", "", "a,b"]:
        yield Case(f"cluster from header {value!r}", get("/byheader", "example.com", f"x-cluster: {value}"))
    yield Case("appended to what is there", get("/appended", "example.com", "x-forwarded-host: before"))
    yield Case("weighted many times", get("/weighted"), again=5)


AREA = Area(listeners=[http("main", ROUTES, route_config={"validate_clusters": False})], cases=list(cases()),
            clusters=[cluster("a"), cluster("b"), NAMED, EMPTY, cluster("refused", "nobody")])
