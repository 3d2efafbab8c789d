# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as it is allowed to be: versions, framing, 100-continue, HEAD, upgrade, pipelines, forms of the target."""
import backend
from case import Area, Case, answer, cluster, get, host, http, to

backend.RAW.update({
    "chunked+": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "trailers+": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n5;ext=1\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nall of it",
    "http/1.0": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "http/1.0 until close": b"HTTP/1.0 200 OK\r\n\r\nok",
    "100 first+": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "103 first+": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "204 length+": b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
    "304 length+": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: x\r\n\r\n",
    "304+": b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n",
    "head length+": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
    "head chunked+": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "head none+": b"HTTP/1.1 200 OK\r\n\r\n",
    "close header": b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    "no reason+": b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok",
    "odd reason+": b"HTTP/1.1 200 All right then\r\ncontent-length: 2\r\n\r\nok",
    "empty+": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "both lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "short": b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok",
    "short chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "no http": b"SSH-2.0-OpenSSH\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nconte",
    "nothing": b"",
    "bad field": b"HTTP/1.1 200 OK\r\nbad field: 1\r\ncontent-length: 2\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\ncontent-length: 2\r\n\r\nok",
    "bare lf": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "status 99": b"HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "extra": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "200 to CONNECT": b"HTTP/1.1 200 OK\r\n\r\n",
})
CHUNKED = b"POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n"


def raw(name, method="GET", **more):
    return Case(f"answered {method} {name}", get("/", "example.com", f"x-do: raw {name}", method=method), **more)


def cases():
    for name in backend.RAW:
        if name in ("200 to CONNECT",):
            continue
        if name.startswith("head "):
            yield raw(name, "HEAD")
        else:
            yield raw(name)
    for name in ["304 length+", "204 length+", "until close", "chunked+"]:
        yield Case(f"two in a row {name}", get("/", "example.com", f"x-do: raw {name}") + get("/second"), responses=2)
    for status in [200, 204, 205, 304, 404, 500, 599]:
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PATCH"]:
            yield Case(f"{method} answered {status}", get("/", "example.com", f"x-do: status {status}", method=method))
    yield Case("HTTP/1.0", b"GET / HTTP/1.0\r\nhost: example.com\r\n\r\n")
    yield Case("HTTP/1.0 taken", b"GET / HTTP/1.0\r\nhost: example.com\r\n\r\n", "old", until_close=True)
    yield Case("HTTP/1.0 without host", b"GET / HTTP/1.0\r\n\r\n", "old", until_close=True)
    yield Case("HTTP/1.0 without host by default", b"GET / HTTP/1.0\r\n\r\n", "default", until_close=True)
    yield Case("HTTP/1.0 keep-alive", b"GET / HTTP/1.0\r\nhost: example.com\r\nconnection: keep-alive\r\n\r\n", "old")
    yield Case("HTTP/1.0 chunked answer", get("/", "example.com", "x-do: raw chunked+", version="HTTP/1.0"), "old", until_close=True)
    yield Case("HTTP/1.0 POST", b"POST / HTTP/1.0\r\nhost: example.com\r\ncontent-length: 3\r\n\r\nabc", "old", until_close=True)
    yield Case("HTTP/1.0 keep-alive to HTTP/1.1", b"GET / HTTP/1.1\r\nhost: example.com\r\nconnection: keep-alive\r\n\r\n")
    yield Case("close", get("/", "example.com", "connection: close"), until_close=True)
    yield Case("Close in capitals", get("/", "example.com", "Connection: Close"), until_close=True)
    yield Case("keep-alive twice", [get("/1"), "response", get("/2"), "response"], responses=0)
    yield Case("pipeline of two", get("/1") + get("/2"), responses=2)
    yield Case("pipeline with a body", get("/1", method="POST", body="abc") + get("/2"), responses=2)
    yield Case("pipeline with a close", get("/1", "example.com", "connection: close") + get("/2"), responses=1, until_close=True)
    yield Case("half-closed after the request", get("/"), shut=True)
    for size in [1, 100, 70000]:
        yield Case(f"length {size}", get("/", method="POST", body="x" * size))
        yield Case(f"chunk {size}", CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size))
    yield Case("length 0", get("/", method="POST", body=""))
    yield Case("POST without a length", get("/", method="POST"))
    yield Case("GET with a body", get("/", body="abc"))
    yield Case("GET with a length of 0", get("/", body=""))
    yield Case("DELETE with a body", get("/", method="DELETE", body="abc"))
    yield Case("HEAD with a body", get("/", method="HEAD", body="abc"))
    yield Case("length with spaces", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:  3 \r\n\r\nabc")
    yield Case("many chunks", CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
    yield Case("chunk size in capitals and zeros", CHUNKED + b"000A\r\n0123456789\r\n0\r\n\r\n")
    yield Case("chunk extension", CHUNKED + b"3;a=b;c=\"d e\"\r\nabc\r\n0;last\r\n\r\n")
    yield Case("trailers", CHUNKED.replace(b"\r\n\r\n", b"\r\ntrailer: x-t\r\n\r\n") + b"3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")
    yield Case("trailers kept", CHUNKED + b"3\r\nabc\r\n0\r\nx-t: 1\r\nX-U: 2\r\n\r\n", "trailers")
    yield Case("trailers kept back", get("/", "example.com", "x-do: raw trailers+"), "trailers")
    yield Case("chunked in capitals", b"POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    yield Case("100-continue", [get("/", "example.com", "expect: 100-continue", "content-length: 3", method="POST"), 0.2, b"abc"], method="POST")
    yield Case("100-continue at once", [get("/", "example.com", "expect: 100-continue", method="POST", body="abc")])
    yield Case("100-continue passed on", [get("/", "example.com", "expect: 100-continue", "content-length: 3", method="POST"), 0.2, b"abc"], "continue", method="POST")
    yield Case("100-Continue in capitals", [get("/", "example.com", "Expect: 100-Continue", method="POST", body="abc")])
    yield Case("100-continue without a body", get("/", "example.com", "expect: 100-continue"))
    yield Case("expect something else", get("/", "example.com", "expect: something"))
    yield Case("100-continue refused by the route", [get("/", "none.example.com", "expect: 100-continue", "content-length: 3", method="POST")], "only", method="POST")
    yield Case("answered before the body", [get("/", "example.com", "x-do: early", "content-length: 300000", method="POST")], method="POST")
    yield Case("answered by the proxy before the body", [get("/", "none.example.com", "content-length: 300000", method="POST")], "only", method="POST", until_close=True)
    for target in ["http://other.example.com/abs?q=1", "http://other.example.com", "https://other.example.com/", "http://other.example.com:8080/x", "HTTP://other.example.com/x",
                   "ftp://other/x", "http:///x", "http://user@other/x", "other.example.com/x", "*", "/*", "?q", "#f", "//x/y", "http://other?q=1", "http://[::1]/", "http://other.example.com/#f"]:
        yield Case(f"target {target.replace('*', 'asterisk')}", get(target))
    yield Case("OPTIONS asterisk", get("*", method="OPTIONS"))
    yield Case("OPTIONS http://other", get("http://other.example.com", method="OPTIONS"))
    yield Case("CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n", method="GET")
    yield Case("CONNECT with a path", b"CONNECT /x HTTP/1.1\r\nhost: example.com\r\n\r\n", method="GET")
    yield Case("CONNECT without a port", b"CONNECT example.com HTTP/1.1\r\nhost: example.com\r\n\r\n", method="GET")
    yield Case("TRACE", get("/", method="TRACE"))
    for method in ["PROPFIND", "PURGE", "REPORT", "FOO", "get", "M-SEARCH", "QUERY"]:
        yield Case(f"method {method}", get("/", method=method))
    websocket = get("/ws", "example.com", "connection: Upgrade", "upgrade: websocket", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version: 13")
    yield Case("websocket", [websocket, "response", b"ping", ("bytes", len("hello from a\nping"))], "websocket", responses=0)
    yield Case("websocket refused upstream", websocket.replace(b"host:", b"x-do: status 403\r\nhost:"), "websocket")
    yield Case("websocket not configured", websocket)
    yield Case("websocket turned off", websocket, "nowebsocket")
    yield Case("websocket of HTTP/1.0", websocket.replace(b"HTTP/1.1", b"HTTP/1.0"), "websocket")
    yield Case("websocket without connection", websocket.replace(b"connection: Upgrade", b"x-y: z"), "websocket")
    yield Case("websocket and keep-alive", [websocket.replace(b"connection: Upgrade", b"connection: keep-alive, Upgrade"), "response", ("bytes", len("hello from a\n"))], "websocket", responses=0)
    yield Case("WebSocket in capitals", [websocket.replace(b"websocket\r\n", b"WebSocket\r\n"), "response", b"ping", ("bytes", len("hello from a\nping"))], "websocket", responses=0)
    yield Case("another upgrade", websocket.replace(b"websocket\r\n", b"other\r\n"), "websocket")
    yield Case("h2c", get("/", "example.com", "connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"))
    yield Case("blank lines before", b"\r\n\r\n" + get("/"))
    yield Case("blank line between", get("/1") + b"\r\n" + get("/2"), responses=2)
    yield Case("slowly", [get("/")[:10], 0.1, get("/")[10:30], 0.1, get("/")[30:]], method="GET")
    yield Case("host in capitals", get("/", "EXAMPLE.com"))
    yield Case("empty host", get("/", ""))
    yield Case("no host, absolute form", b"GET http://example.com/x HTTP/1.1\r\n\r\n")
    yield Case("path of 5000", get("/" + "a" * 5000))
    yield Case("header of 20000", get("/", "example.com", "x-a: " + "v" * 20000))
    yield Case("header of 70000", get("/", "example.com", "x-a: " + "v" * 70000))
    yield Case("99 headers", get("/", "example.com", *[f"x-{n}: 1" for n in range(98)]))
    yield Case("110 headers", get("/", "example.com", *[f"x-{n}: 1" for n in range(110)]))
    yield Case("7 of 5 headers", get("/", "example.com", *[f"x-{n}: 1" for n in range(6)]), "small")
    yield Case("2 KiB of 1 KiB", get("/", "example.com", "x-a: " + "v" * 2000), "small")


WEBSOCKET = [{"upgrade_type": "websocket"}]
AREA = Area(
    listeners=[http("main"), http("old", http_protocol_options={"accept_http_10": True}),
               http("default", http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "default.example.com"}),
               http("trailers", host(to("kept")), http_protocol_options={"enable_trailers": True}), http("continue", proxy_100_continue=True),
               http("only", host(to("a"), domains=["example.com"])), http("websocket", upgrade_configs=WEBSOCKET),
               http("nowebsocket", upgrade_configs=[{"upgrade_type": "websocket", "enabled": False}]),
               http("small", max_request_headers_kb=1, common_http_protocol_options={"max_headers_count": 5})],
    clusters=[cluster("a"), cluster("kept", "a", typed_extension_protocol_options={"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}})],
    cases=list(cases()))
