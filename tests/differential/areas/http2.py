# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 from clients and to upstreams, and what must not pass between it and HTTP/1.1."""
from case import Area, Case, answer, cluster, get, h2_get, host, http, to

PSEUDO = [(":method", "GET"), (":scheme", "http"), (":authority", "example.com"), (":path", "/")]


def stream(*headers, **more):
    return {"headers": list(headers), **more}


MALFORMED = {
    "no method": PSEUDO[1:], "no path": PSEUDO[:3], "no scheme": [PSEUDO[0], *PSEUDO[2:]], "empty path": [*PSEUDO[:3], (":path", "")], "two paths": [*PSEUDO, (":path", "/x")],
    "two methods": [PSEUDO[0], *PSEUDO], "pseudo-header after": [*PSEUDO[:3], ("x-a", "1"), PSEUDO[3]], "unknown pseudo-header": [*PSEUDO, (":what", "1")], "response pseudo-header": [*PSEUDO, (":status", "200")],
    "capitals": [*PSEUDO, ("X-A", "1")], "connection": [*PSEUDO, ("connection", "close")], "keep-alive": [*PSEUDO, ("keep-alive", "1")], "proxy-connection": [*PSEUDO, ("proxy-connection", "1")],
    "transfer-encoding": [*PSEUDO, ("transfer-encoding", "chunked")], "upgrade": [*PSEUDO, ("upgrade", "websocket")], "te gzip": [*PSEUDO, ("te", "gzip")],
    "CR LF in a value": [*PSEUDO, ("x-a", "1\r\nx-evil: 1")], "LF in a value": [*PSEUDO, ("x-a", "1\n2")], "NUL in a value": [*PSEUDO, ("x-a", "1\x002")], "CR in a value": [*PSEUDO, ("x-a", "1\r2")],
    "space in a name": [*PSEUDO, ("x a", "1")], "colon in a name": [*PSEUDO, ("x:a", "1")], "empty name": [*PSEUDO, ("", "1")], "CR LF in a name": [*PSEUDO, ("x\r\ny", "1")],
    "CR LF in the path": [*PSEUDO[:3], (":path", "/ HTTP/1.1\r\nx: y")], "space in the path": [*PSEUDO[:3], (":path", "/a b")], "path without a slash": [*PSEUDO[:3], (":path", "a")],
    "absolute path": [*PSEUDO[:3], (":path", "http://x/y")], "asterisk for GET": [*PSEUDO[:3], (":path", "*")], "fragment": [*PSEUDO[:3], (":path", "/a#b")], "CR LF in the method": [(":method", "GET / HTTP/1.1\r\nx: y"), *PSEUDO[1:]],
    "space in the method": [(":method", "G T"), *PSEUDO[1:]], "empty method": [(":method", ""), *PSEUDO[1:]], "space in the authority": [*PSEUDO[:2], (":authority", "a b"), PSEUDO[3]],
    "slash in the authority": [*PSEUDO[:2], (":authority", "a/b"), PSEUDO[3]], "user in the authority": [*PSEUDO[:2], (":authority", "u@a"), PSEUDO[3]], "CR LF in the authority": [*PSEUDO[:2], (":authority", "a\r\nb"), PSEUDO[3]],
    "empty authority": [*PSEUDO[:2], (":authority", ""), PSEUDO[3]], "host besides": [*PSEUDO, ("host", "other")], "host that agrees": [*PSEUDO, ("host", "example.com")], "two hosts": [*PSEUDO[:2], PSEUDO[3], ("host", "a"), ("host", "b")],
    "no authority": [*PSEUDO[:2], PSEUDO[3]], "host instead": [*PSEUDO[:2], PSEUDO[3], ("host", "other")], "odd scheme": [PSEUDO[0], (":scheme", "ftp"), *PSEUDO[2:]], "https scheme": [PSEUDO[0], (":scheme", "https"), *PSEUDO[2:]],
    "scheme in capitals": [PSEUDO[0], (":scheme", "HTTP"), *PSEUDO[2:]], "spaces around a value": [*PSEUDO, ("x-a", " 1 ")], "high bytes": [*PSEUDO, ("x-a", "\u00e9")], "underscore": [*PSEUDO, ("x_a", "1")],
    "CONNECT with a path": [(":method", "CONNECT"), *PSEUDO[1:]], "CONNECT": [(":method", "CONNECT"), (":authority", "example.com:443")], "unknown method": [(":method", "FOO"), *PSEUDO[1:]],
    "protocol without CONNECT": [*PSEUDO, (":protocol", "websocket")], "content-length of a bodyless": [*PSEUDO, ("content-length", "5")], "two content-lengths": [*PSEUDO, ("content-length", "0"), ("content-length", "1")],
    "content-length of letters": [*PSEUDO, ("content-length", "x")], "expect": [*PSEUDO, ("expect", "100-continue")], "cookies": [*PSEUDO, ("cookie", "a=b"), ("cookie", "c=d")], "http2-settings": [*PSEUDO, ("http2-settings", "x")],
}


def cases():
    for where in ["main", "up", "both"]:
        first = where == "up"
        if not first:
            yield Case(f"{where} GET", h2=[h2_get("/path?q=1", "example.com", ("x-a", "1"))], listener=where)
            yield Case(f"{where} three streams", h2=[h2_get("/1"), h2_get("/2", method="POST", body=b"abc"), h2_get("/3")], listener=where, upstreams=False)
            yield Case(f"{where} POST", h2=[h2_get("/", method="POST", body=b"x" * 30000)], listener=where)
            yield Case(f"{where} POST with a length", h2=[h2_get("/", "example.com", ("content-length", "3"), method="POST", body=b"abc")], listener=where)
            yield Case(f"{where} POST with a wrong length", h2=[h2_get("/", "example.com", ("content-length", "5"), method="POST", body=b"abc")], listener=where)
            yield Case(f"{where} POST longer than its length", h2=[h2_get("/", "example.com", ("content-length", "2"), method="POST", body=b"abc")], listener=where)
            yield Case(f"{where} empty DATA", h2=[h2_get("/", method="POST", body=b"")], listener=where)
            yield Case(f"{where} trailers", h2=[h2_get("/", method="POST", body=b"abc", trailers=[("x-t", "1")])], listener=where)
            yield Case(f"{where} trailers alone", h2=[h2_get("/", method="POST", trailers=[("x-t", "1")])], listener=where)
            yield Case(f"{where} pseudo-header in trailers", h2=[h2_get("/", method="POST", body=b"a", trailers=[(":path", "/x")])], listener=where)
            yield Case(f"{where} HEAD", h2=[h2_get("/", method="HEAD")], listener=where)
            yield Case(f"{where} te trailers", h2=[h2_get("/", "example.com", ("te", "trailers"))], listener=where)
            yield Case(f"{where} grpc", h2=[h2_get("/p.S/M", "example.com", ("content-type", "application/grpc"), ("te", "trailers"), method="POST", body=b"\0\0\0\0\0")], listener=where)
            for do in ["status 204", "status 304", "status 503", "reset 8", "reset 7", "reset 2", "close", "trailers", "header x-b=1; header set-cookie=a; header set-cookie=b", "header connection=close", "header X-Upper=1", "header transfer-encoding=x"]:
                if where == "both" or not do.startswith(("reset 8", "reset 7", "trailers")):
                    yield Case(f"{where} answered {do}", h2=[h2_get("/", "example.com", ("x-do", do))], listener=where)
            for name, headers in MALFORMED.items():
                yield Case(f"{where} malformed {name}", h2=[stream(*headers)], listener=where, patience=1)
        else:
            yield Case("up GET", get("/path?q=1", "example.com", "x-a: 1"), where)
            yield Case("up POST", get("/", method="POST", body="abc"), where)
            yield Case("up chunked", b"POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", where)
            yield Case("up hop by hop", get("/", "example.com", "connection: x-a, close", "x-a: 1", "keep-alive: 1", "te: trailers, gzip", "proxy-connection: x"), where)
            yield Case("up te", get("/", "example.com", "te: trailers"), where)
            yield Case("up host", get("/", "Example.com:8080"), where)
            yield Case("up HEAD", get("/", method="HEAD"), where)
            yield Case("up cookies", get("/", "example.com", "cookie: a=b; c=d"), where)
            for do in ["status 204", "status 304", "status 503", "reset 8", "reset 7", "reset 2", "trailers", "header x-b=1", "header connection=close"]:
                yield Case(f"up answered {do}", get("/", "example.com", f"x-do: {do}"), where)
    yield Case("not found", h2=[h2_get("/none", "other")], listener="only")
    yield Case("redirect", h2=[h2_get("/r")], listener="only")
    yield Case("direct", h2=[h2_get("/d")], listener="only")
    yield Case("direct HEAD", h2=[h2_get("/d", method="HEAD")], listener="only")
    yield Case("direct with an unread body", h2=[h2_get("/d", method="POST", body=b"abc")], listener="only")
    yield Case("direct grpc", h2=[h2_get("/d", "example.com", ("content-type", "application/grpc"), method="POST", body=b"")], listener="only")
    yield Case("HTTP/1.1 to an HTTP/2 listener", get("/"), "two", patience=1)
    yield Case("HTTP/2 to an HTTP/1.1 listener", h2=[h2_get("/")], listener="one")
    yield Case("upgrade over extended CONNECT, not allowed", h2=[stream((":method", "CONNECT"), (":protocol", "websocket"), *PSEUDO[1:])], patience=1)


AREA = Area(
    listeners=[http("main"), http("up", host(to("h2"))), http("both", host(to("h2"))), http("one", codec_type="HTTP1"), http("two", codec_type="HTTP2"),
               http("only", host({"match": {"prefix": "/r"}, "redirect": {"host_redirect": "h"}}, answer(200, "direct", "/d"), domains=["example.com"]))],
    clusters=[cluster("a"), cluster("h2", "a", http2=True)], cases=list(cases()))
