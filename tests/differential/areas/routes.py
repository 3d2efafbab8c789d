# SPDX-License-Identifier: Apache-2.0
"""Which virtual host and which route takes a request."""
from case import Area, Case, add, answer, get, host, http, to


def exact(value):
    return {"string_match": {"exact": value}}


def header(name, **match):
    return {"match": {"prefix": "/", "headers": [{"name": name, **match}]}}


def routed(name, match, **more):
    return answer(200, f"{name}\n", match, name=name, **more)


DOMAINS = [
    host(routed("exact", "/"), domains=["one.example.com", "PORT.example.com:8080"], name="exact"),
    host(routed("suffix", "/"), domains=["*.example.com"], name="suffix"),
    host(routed("long suffix", "/"), domains=["*-x.example.com"], name="long"),
    host(routed("prefix", "/"), domains=["one.*"], name="prefix"),
    host(routed("long prefix", "/"), domains=["one.two.*"], name="long-prefix"),
    host(routed("v6", "/"), domains=["[::1]", "[::1]:8080"], name="v6"),
]
PATHS = host(
    routed("path", {"path": "/path"}),
    routed("path any case", {"path": "/Case", "case_sensitive": False}),
    routed("prefix any case", {"prefix": "/Prefix", "case_sensitive": False}),
    routed("prefix", {"prefix": "/prefix"}),
    routed("separated", {"path_separated_prefix": "/sep"}),
    routed("regex", {"safe_regex": {"regex": "/re/[0-9]+"}}),
    routed("regex all", {"safe_regex": {"regex": "/all/.*"}}),
    routed("query present", {"prefix": "/q", "query_parameters": [{"name": "p", "present_match": True}]}),
    routed("query exact", {"prefix": "/q", "query_parameters": [{"name": "e", "string_match": {"exact": "1"}}]}),
    routed("query regex", {"prefix": "/q", "query_parameters": [{"name": "r", "string_match": {"safe_regex": {"regex": "a+"}}}]}),
    routed("query absent", {"prefix": "/qa", "query_parameters": [{"name": "z", "present_match": False}]}),
    routed("query suffix", {"prefix": "/qs", "query_parameters": [{"name": "s", "string_match": {"suffix": "End", "ignore_case": True}}]}),
    routed("grpc", {"prefix": "/g", "grpc": {}}),
    routed("none", {"prefix": "/frac", "runtime_fraction": {"default_value": {"numerator": 0}}}),
    routed("all of them", {"prefix": "/frac", "runtime_fraction": {"default_value": {"numerator": 100}}}),
)
HEADERS = host(
    routed("exact", {"prefix": "/exact", "headers": [{"name": "x-a", **exact("1")}]}),
    routed("old exact", {"prefix": "/old", "headers": [{"name": "X-A", "exact_match": "1"}]}),
    routed("prefix", {"prefix": "/prefix", "headers": [{"name": "x-a", "string_match": {"prefix": "ab"}}]}),
    routed("suffix", {"prefix": "/suffix", "headers": [{"name": "x-a", "string_match": {"suffix": "ab"}}]}),
    routed("contains", {"prefix": "/contains", "headers": [{"name": "x-a", "string_match": {"contains": "Ab", "ignore_case": True}}]}),
    routed("regex", {"prefix": "/regex", "headers": [{"name": "x-a", "string_match": {"safe_regex": {"regex": "a|b+"}}}]}),
    routed("present", {"prefix": "/present", "headers": [{"name": "x-a", "present_match": True}]}),
    routed("absent", {"prefix": "/absent", "headers": [{"name": "x-a", "present_match": False}]}),
    routed("not present", {"prefix": "/inverted", "headers": [{"name": "x-a", "present_match": True, "invert_match": True}]}),
    routed("not exact", {"prefix": "/not", "headers": [{"name": "x-a", **exact("1"), "invert_match": True}]}),
    routed("not exact, empty", {"prefix": "/empty", "headers": [{"name": "x-a", **exact("1"), "invert_match": True, "treat_missing_header_as_empty": True}]}),
    routed("range", {"prefix": "/range", "headers": [{"name": "x-a", "range_match": {"start": -5, "end": 10}}]}),
    routed("method", {"prefix": "/method", "headers": [{"name": ":method", **exact("PUT")}]}),
    routed("authority", {"prefix": "/authority", "headers": [{"name": ":authority", "string_match": {"prefix": "example"}}]}),
    routed("host", {"prefix": "/host", "headers": [{"name": "host", "string_match": {"prefix": "example"}}]}),
    routed("scheme", {"prefix": "/scheme", "headers": [{"name": ":scheme", **exact("http")}]}),
    routed("two", {"prefix": "/two", "headers": [{"name": "x-a", **exact("1")}, {"name": "x-b", **exact("2")}]}),
    routed("joined", {"prefix": "/joined", "headers": [{"name": "x-a", **exact("1,2")}]}),
    routed("spaced", {"prefix": "/spaced", "headers": [{"name": "x-a", **exact("1, 2")}]}),
    routed("joined regex", {"prefix": "/rejoined", "headers": [{"name": "x-a", "string_match": {"safe_regex": {"regex": "[0-9]+"}}}]}),
    routed("joined suffix", {"prefix": "/sufjoined", "headers": [{"name": "x-a", "string_match": {"suffix": ",2"}}]}),
    routed("no condition", {"prefix": "/bare", "headers": [{"name": "x-a"}]}),
)


def cases():
    for name in ["one.example.com", "ONE.Example.Com", "one.example.com:80", "two.example.com", "a-x.example.com", "-x.example.com", ".example.com",
                 "example.com", "one.net", "one.two.net", "one.", "one.two.", "[::1]", "[::1]:8080", "[::1]:9", "port.example.com:8080",
                 "port.example.com", "one.example.com.", "xone.example.com:", "*.example.com", "one.*"]:
        yield Case(f"domain {name}", get("/", name), "domains")
        yield Case(f"domain without port {name}", get("/", name), "ports")
        yield Case(f"domain stripped {name}", get("/", name), "strip")
    for path in ["/path", "/path/", "/path?q", "/path#f", "/Path", "/path;v=1", "/case", "/CASE", "/CASE?x", "/prefix", "/PREFIXES", "/prefixes/1?x=/path", "/sep", "/sep/", "/sep/a",
                 "/separate", "/sep?x", "/sep#x", "/Sep", "/re/12", "/re/12?x=y", "/re/12/", "/re/", "/all/", "/all/a?b", "/q", "/q?p", "/q?p=", "/q?p=1", "/q?P=1",
                 "/q?e=1", "/q?e=2", "/q?e=2&e=1", "/q?e=1&e=2", "/q?x&e=1&y", "/q?%65=1", "/q?e=%31", "/q?r=aaa", "/q?r=ab", "/q?e=1#f", "/qa", "/qa?z", "/qa?y",
                 "/qs?s=theEND", "/qs?s=theENDs", "/frac", "/nothing", "/", "/q?p=1;e=1", "/path%20", "/pa%74h", "//path", "/g"]:
        yield Case(f"path {path}", get(path), "paths")
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpcx", "text/plain"]:
        yield Case(f"grpc {kind}", get("/g", "example.com", f"content-type: {kind}"), "paths")
    table = {"exact": ["1", "1 ", "2", "", "1,1"], "old": ["1", "12"], "prefix": ["ab", "abc", "ABC", "a"], "suffix": ["ab", "cab", "abc"],
             "contains": ["xaBy", "AB", "a b"], "regex": ["a", "bb", "ab", "A"], "present": ["1", ""], "absent": ["1", ""], "inverted": ["1"],
             "not": ["1", "2", ""], "empty": ["1", "2", ""], "range": ["-5", "9", "10", "-6", "0x1", "1.5", " 3", "", "+3", "99999999999999999999"],
             "two": ["1", "2"], "bare": ["1", ""]}
    for path, values in table.items():
        yield Case(f"header {path} missing", get(f"/{path}"), "headers")
        for value in values:
            yield Case(f"header {path} {value!r}", get(f"/{path}", "example.com", f"x-a: {value}"), "headers")
        yield Case(f"header {path} twice", get(f"/{path}", "example.com", "x-a: 1", "X-A: 2"), "headers")
        yield Case(f"header {path} and x-b", get(f"/{path}", "example.com", "x-b: 2", "X-A: 1"), "headers")
    for path in ["exact", "not", "joined", "spaced", "rejoined", "sufjoined", "range", "absent", "present", "bare", "inverted"]:
        for first, second in [("1", "2"), ("2", "1"), ("1", "1"), ("a", "2"), ("2", "a"), ("b", "c")]:
            yield Case(f"header {path} of {first} and {second}", get(f"/{path}", "example.com", f"x-a: {first}", f"x-a: {second}"), "headers")
    for method in ["PUT", "put", "GET"]:
        yield Case(f"header method {method}", get("/method", method=method, body=""), "headers")
    for name in ["example.com", "Example.com", "other"]:
        yield Case(f"header authority {name}", get("/authority", name), "headers")
        yield Case(f"header host {name}", get("/host", name), "headers")
    yield Case("header scheme", get("/scheme"), "headers")


AREA = Area(
    listeners=[http("domains", *DOMAINS), http("ports", *DOMAINS, route_config={"ignore_port_in_host_matching": True}),
               http("strip", *DOMAINS, strip_any_host_port=True, strip_trailing_host_dot=True),
               http("paths", PATHS), http("headers", HEADERS)],
    cases=list(cases()))
