# SPDX-License-Identifier: Apache-2.0
"""Who asked, and how: x-forwarded-for, -proto, -host, -client-cert, x-request-id, x-envoy-*; paths and hosts made regular."""
from case import Area, Case, answer, cluster, get, h2_get, host, http, to

NORMAL = dict(normalize_path=True, merge_slashes=True)
PATHS = ["/a/../b", "/a/./b", "/../a", "/a/..", "/a/.", "/.", "/..", "/a//b", "//a", "///", "/a/..//b", "/%61", "/%41%7a", "/%2e%2e/a", "/a/%2e%2e/b", "/%2E/a", "/a%2fb", "/a%2Fb", "/a%5cb",
         "/a\\b", "/a\\..\\b", "/a%00b", "/a%zz", "/a%", "/a%2", "/a/b/../../../c", "/a?x=/../y", "/a?x=%2e%2e//", "/a/../b?c", "/a;b/../c", "/%7e", "/~", "/a%20b", "/a%c3%a9", "/%25%32%65",
         "/a/...", "/a/.../b", "/a/..b", "/a./b", "/", "/?", "/%", "/a%2f..%2fb", "/a/%2f/b", "/a%2f%2fb", "/x/%2E%2E%2Fy", "/a%2Fb?x=%2F", "/a%5C..%5Cb", "/a+b", "/a%2Bb", "/a:b@c", "/%3A%40"]
HOSTS = ["example.com:80", "example.com:8080", "example.com.", "example.com.:8080", "EXAMPLE.com", "[::1]:8080", "[::1]", "1.2.3.4:8080", "example.com:", "example.com:x"]


def cases():
    for name in ["normal", "merged", "plain", "reject", "redirect", "forward"]:
        for path in PATHS:
            if name in ("normal", "plain") or "%2" in path or "%5" in path or "//" in path:
                yield Case(f"{name} {path}", get(path), name)
    for name in ["strip", "matching", "dot"]:
        for one in HOSTS:
            yield Case(f"{name} {one}", get("/", one), name)
    from_outside = ["x-forwarded-for: 9.9.9.9", "x-forwarded-proto: https", "x-request-id: from-outside", "x-envoy-internal: true", "x-envoy-external-address: 1.1.1.1",
                    "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 5", "x-envoy-upstream-rq-timeout-ms: 700", "x-envoy-expected-rq-timeout-ms: 3", "x-envoy-decorator-operation: op",
                    "x-envoy-original-path: /evil", "x-envoy-original-dst-host: 1.1.1.1:1", "x-envoy-attempt-count: 9", "x-envoy-force-trace: 1", "x-envoy-ip-tags: t", "x-forwarded-host: evil",
                    "x-forwarded-client-cert: By=evil", "x-envoy-peer-metadata: x", "x-envoy-downstream-service-cluster: c", "x-envoy-downstream-service-node: n", "x-forwarded-port: 1234",
                    "forwarded: for=1.1.1.1", "x-envoy-upstream-alt-stat-name: n", "x-envoy-hedge-on-per-try-timeout: true", "x-envoy-retriable-header-names: a", "x-envoy-retriable-status-codes: 500",
                    "x-envoy-upstream-rq-per-try-timeout-ms: 99", "x-envoy-original-host: evil", "x-envoy-original-url: /", "x-real-ip: 1.1.1.1", "x-envoy-retry-grpc-on: cancelled"]
    for name in ["main", "edge", "edgekeep", "hops1", "hops2", "skip", "inner1", "noid", "respid", "packid"]:
        yield Case(f"{name} nothing said", get("/"), name)
        for one in from_outside:
            yield Case(f"{name} {one}", get("/", "example.com", one), name)
        for value in ["1.1.1.1, 2.2.2.2", "10.0.0.1, 2.2.2.2", "1.1.1.1,10.0.0.2", "bad", "", "1.1.1.1, , 2.2.2.2", "::1", "2001:db8::1, 10.0.0.1", "1.1.1.1, 2.2.2.2, 3.3.3.3", "10.0.0.1", "127.0.0.1"]:
            yield Case(f"{name} x-forwarded-for {value!r}", get("/", "example.com", f"x-forwarded-for: {value}"), name)
        yield Case(f"{name} x-forwarded-for twice", get("/", "example.com", "x-forwarded-for: 1.1.1.1", "x-forwarded-for: 10.0.0.1"), name)
        yield Case(f"{name} x-forwarded-proto and port", get("/", "example.com", "x-forwarded-proto: https", "x-forwarded-port: 1"), name)
        yield Case(f"{name} x-forwarded-proto odd", get("/", "example.com", "x-forwarded-proto: ftp"), name)
        yield Case(f"{name} x-request-id a UUID", get("/", "example.com", "x-request-id: 6a6b0000-0000-4000-8000-00000000abcd"), name)
        yield Case(f"{name} x-request-id twice", get("/", "example.com", "x-request-id: a", "x-request-id: b"), name)
        yield Case(f"{name} x-request-id empty", get("/", "example.com", "x-request-id: "), name)
    for name in ["forwardonly", "append", "sanitizeset", "always"]:
        yield Case(f"client certificate header of {name}", get("/", "example.com", "x-forwarded-client-cert: By=evil"), name)
    yield Case("service headers", get("/"), "node")
    for value in ["500", "0", "x", "-1", "100000"]:
        yield Case(f"timeout of a caller {value}", get("/", "example.com", f"x-envoy-upstream-rq-timeout-ms: {value}"), "main")
    yield Case("attempt count", get("/counted"))
    yield Case("attempt count said", get("/counted", "example.com", "x-envoy-attempt-count: 7"))
    yield Case("suppressed", get("/"), "suppressed")
    yield Case("suppressed with a rewrite", get("/counted"), "suppressed")


EDGE = dict(use_remote_address=True)
LOG = "%REQ(:PATH)% %RESPONSE_CODE% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(X-FORWARDED-FOR)% %REQ(X-REQUEST-ID)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%\n"
COUNTED = host(to("a", "/counted", action={"prefix_rewrite": "/rewritten"}), to("a"), include_request_attempt_count=True, include_attempt_count_in_response=True)
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
PLAIN = [host(to("a"))]
AREA = Area(
    listeners=[
        http("main", COUNTED, log=LOG), http("edge", log=LOG, **EDGE), http("edgekeep", log=LOG, preserve_external_request_id=True, **EDGE),
        http("hops1", log=LOG, xff_num_trusted_hops=1, **EDGE), http("hops2", log=LOG, xff_num_trusted_hops=2, **EDGE), http("skip", log=LOG, skip_xff_append=True, **EDGE),
        http("inner1", log=LOG, xff_num_trusted_hops=1), http("noid", log=LOG, generate_request_id=False), http("respid", log=LOG, always_set_request_id_in_response=True),
        http("packid", log=LOG, preserve_external_request_id=True),
        http("normal", *PLAIN, **NORMAL), http("merged", merge_slashes=True), http("plain"), http("reject", path_with_escaped_slashes_action="REJECT_REQUEST", **NORMAL),
        http("redirect", path_with_escaped_slashes_action="UNESCAPE_AND_REDIRECT", **NORMAL), http("forward", path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD", **NORMAL),
        http("strip", strip_any_host_port=True), http("matching", strip_matching_host_port=True), http("dot", strip_trailing_host_dot=True),
        http("forwardonly", forward_client_cert_details="FORWARD_ONLY"), http("append", forward_client_cert_details="APPEND_FORWARD"),
        http("sanitizeset", forward_client_cert_details="SANITIZE_SET"), http("always", forward_client_cert_details="ALWAYS_FORWARD_ONLY"), http("node", add_user_agent=True),
        http("suppressed", COUNTED, http_filters=[{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER, "suppress_envoy_headers": True}}]),
    ],
    cases=list(cases()))
