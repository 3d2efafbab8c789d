# SPDX-License-Identifier: Apache-2.0
"""Redirects and direct responses."""
from case import Area, Case, add, answer, get, host, http


def redirect(match, action, **more):
    return {"match": {"prefix": match} if isinstance(match, str) else match, "redirect": action, "name": "redirect", **more}


ROUTES = host(
    redirect("/host", {"host_redirect": "new.example.com"}),
    redirect("/port", {"port_redirect": 8443}),
    redirect("/p80", {"port_redirect": 80}),
    redirect("/hostport", {"host_redirect": "new.example.com", "port_redirect": 444}),
    redirect("/https", {"https_redirect": True}),
    redirect("/httpsport", {"https_redirect": True, "port_redirect": 443}),
    redirect("/tls80", {"https_redirect": True, "port_redirect": 80}),
    redirect("/tls8443", {"https_redirect": True, "port_redirect": 8443}),
    redirect("/plain443", {"scheme_redirect": "http", "port_redirect": 443}),
    redirect("/plain80", {"scheme_redirect": "http", "port_redirect": 80}),
    redirect("/hosttls", {"https_redirect": True, "host_redirect": "h", "port_redirect": 443}),
    redirect("/host443", {"host_redirect": "h", "port_redirect": 443}),
    redirect("/scheme", {"scheme_redirect": "ftp"}),
    redirect("/same", {"scheme_redirect": "http"}),
    redirect("/pathq", {"path_redirect": "/new?own=1"}),
    redirect("/path", {"path_redirect": "/new"}),
    redirect("/strip", {"path_redirect": "/new", "strip_query": True}),
    redirect("/stripq", {"path_redirect": "/new?a=b", "strip_query": True}),
    redirect("/prefix/", {"prefix_rewrite": "/other/"}),
    redirect("/prefixes", {"prefix_rewrite": "/"}),
    redirect("/stripprefix", {"prefix_rewrite": "/other", "strip_query": True}),
    redirect({"path": "/exact"}, {"prefix_rewrite": "/other"}),
    redirect({"path_separated_prefix": "/sep"}, {"prefix_rewrite": "/other"}),
    redirect({"path_separated_prefix": "/sepslash"}, {"prefix_rewrite": "/"}),
    redirect({"safe_regex": {"regex": "/re/.*"}}, {"prefix_rewrite": "/other"}),
    redirect("/rx", {"regex_rewrite": {"pattern": {"regex": "^/rx/([^/]+)/(.*)$"}, "substitution": "/\\2/\\1"}}),
    redirect("/rall", {"regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}}),
    *[redirect(f"/code{index}", {"host_redirect": "h", "response_code": code})
      for index, code in enumerate(["MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"])],
    redirect("/with", {"host_redirect": "h"}, response_headers_to_add=[add("x-r", "1"), add("location", "/elsewhere", "OVERWRITE_IF_EXISTS_OR_ADD")]),
    redirect("/", {}),
)
ANSWERS = host(
    *[answer(status, "" if status in (204, 304) else f"body {status}", f"/{status}") for status in (200, 201, 204, 205, 301, 304, 400, 404, 418, 500, 503, 599)],
    answer(200, "", "/empty"),
    answer(200, "html", "/typed", response_headers_to_add=[add("content-type", "text/html", "OVERWRITE_IF_EXISTS_OR_ADD")]),
    answer(200, "two", "/two", response_headers_to_add=[add("x-a", "1"), add("x-a", "2")], response_headers_to_remove=["x-b"]),
    answer(200, "bytes", "/bytes"),
    {"match": {"prefix": "/none"}, "non_forwarding_action": {}},
)


def cases():
    for path in ["/host", "/host/a?b=c", "/port", "/port?x", "/p80", "/hostport/x", "/https/a", "/httpsport", "/tls80", "/tls8443", "/plain443", "/plain80", "/hosttls", "/host443", "/scheme", "/same", "/path", "/path/a?b=1", "/path?",
                 "/pathq?b=1", "/pathq", "/strip?a=1", "/stripq?c=d", "/prefix/a/b?c", "/prefixes/a", "/prefixes", "/stripprefix/a?b", "/exact", "/exact?x=1", "/sep", "/sep/a?b",
                 "/sepslash", "/sepslash/a", "/re/a?b", "/rx/one/two?q=rx", "/rx/nope", "/rall/aa?aa", "/with", "/", "/?q", "/%2f?x=%20", "/host//a/../b"]:
        yield Case(f"redirect {path}", get(path))
        for name in ["example.com:80", "example.com:8080", "[::1]:80", "example.com:443"]:
            yield Case(f"redirect {path} of {name}", get(path, name))
    for index in range(5):
        yield Case(f"redirect code {index}", get(f"/code{index}"))
    yield Case("redirect a POST", get("/host", method="POST", body="abc"))
    yield Case("redirect a HEAD", get("/host", method="HEAD"))
    for path in ["/200", "/201", "/204", "/205", "/301", "/304", "/400", "/404", "/418", "/500", "/503", "/599", "/empty", "/typed", "/two", "/bytes", "/none", "/no"]:
        for method in ["GET", "HEAD", "POST"]:
            yield Case(f"answer {method} {path}", get(path, method=method, body="x" if method == "POST" else None), "answers")
    yield Case("answer to a forwarded scheme", get("/https", "example.com", "x-forwarded-proto: https"))
    yield Case("answers in a row", get("/200") + get("/404") + get("/204"), "answers", responses=3)


AREA = Area(listeners=[http("main", ROUTES), http("answers", ANSWERS)], cases=list(cases()))
