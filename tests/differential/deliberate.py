# SPDX-License-Identifier: Apache-2.0
"""Where seine-proxy means to differ from Envoy, and why. A row that explains nothing any more fails the run."""
import re

from compare import Deliberate

ANY = Deliberate.ANY

# Cases that Seine refuses, whatever Envoy does: (cases, reason). Checked: nothing went upstream and the answer is an error.
STRICTER = [
    ("malformed/* | http1/target *#* | routes/path *#* | http1/blank lines before", "ambiguous framing and syntax is refused, never repaired (RFC 9112, 2.2, 3, 5, 6.1, 7.1, 11.2)"),
    ("http1/target http://user@other/x", "user information in a target hides the host (RFC 9110, 4.2.4)"),
    ("http1/target ftp://other/x | http1/target http:///x | http1/target other.example.com/x | http1/target ?q | http1/target asterisk", "codec errors have one detail in the log"),
    ("http1/CONNECT with a path | http1/CONNECT without a port", "codec errors have one detail in the log"),
    ("http1/empty host | http1/no host, absolute form", "HTTP/1.1 without a host (RFC 9112, 3.2)"),
    ("http1/expect something else", "417 for what cannot be met (RFC 9110, 10.1.1)"),
    ("forwarded/* example.com:x", "a port that is no number"),
    ("forwarded/* /a%zz | forwarded/* /a% | forwarded/* /a%2 | forwarded/* /%", "where paths are normalised, '%' without two digits has no meaning to normalise"),
    ("http2/* malformed * | http2/upgrade over extended CONNECT, not allowed", "a malformed stream is reset alone (RFC 9113, 8.1.1), where Envoy closes the connection"),
    ("http1/answered GET folded | http1/answered GET bare lf | http1/answered GET status 99 | http1/answered GET status 1000 | http1/answered GET 101 unasked",
     "an upstream's answer that cannot be told apart safely is a 502"),
]

# (cases, names, Envoy's value, Seine's value, reason)
ROWS = [
    # Framing
    ("*HEAD*", "responses[0].headers.transfer-encoding", "chunked", None, "an answer to HEAD says no framing that nobody chose: its length where it is known, else nothing"),
    ("http1/OPTIONS answered * | http1/GET with a length of 0 | resilience/preflight *", "upstream[0].headers.content-length", "0", None, "no body is said by saying nothing (RFC 9110, 8.6)"),
    ("http1/answered GET 103 first+", "responses[0].interim*", ANY, ANY, "interim answers are passed on (RFC 9110, 15.2)"),
    ("http1/100-continue without a body | malformed/bad expectation of HTTP/1.0 | http2/* malformed expect", "responses[0].interim*", ANY, None, "without a body, or in HTTP/1.0, nobody waits (RFC 9110, 10.1.1)"),
    ("malformed/bad expectation of HTTP/1.0 | http1/HTTP/1.0 * | http1/answered * HTTP/1.0", "responses[0].version", "HTTP/1.0", "HTTP/1.1", "an answer carries the version of the one who answers (RFC 9112, 2.3)"),
    ("headers/te trailers | headers/connection te | headers/hop by hop", "upstream[0].headers.te", "trailers", None, "TE is for the next hop only (RFC 9110, 10.1.4)"),
    ("headers/hop by hop back", "responses[0].headers.x-gone responses[0].headers.te", ANY, None, "what Connection names stays on the connection, answers too (RFC 9110, 7.6.1)"),
    ("*", "responses[0].reason", "Unknown", "I'm a teapot", "reason phrases mean nothing (RFC 9112, 4)"),
    ("*", "responses[0].reason", "Last Unassigned Server Error Code", "Unknown", "reason phrases mean nothing (RFC 9112, 4)"),
    # Details in logs
    ("http1/answered GET *", "log[0]", re.compile(r".*\{protocol_error\} - a"), re.compile(r".*\{protocol_error\|.*\} - a"), "the log says what was wrong with the upstream's answer"),
    ("http1/HTTP/1.0 | http1/websocket of HTTP/1.0", "log[0]", re.compile("- - HTTP/1.1 426 DPE low_version.*"), re.compile("GET .* HTTP/1.0 426 - low_version.*"), "the log says what was asked, though it is refused"),
    ("headers/refused underscores", "log[0]", re.compile("- - .* 400 DPE http1.unexpected_underscore.*"), re.compile("GET / .* 400 - http1.unexpected_underscore.*"), "the log says what was asked, though it is refused"),
    ("forwarded/reject *", "log[0]", re.compile(".* 400 - path_normalization_failed - -"), re.compile(".* 400 - path_normalization_failed - -"), "the log shows the path as it came, not with the slashes that were refused"),
    # Headers that speak for the proxy
    ("forwarded/* x-envoy-original-host: evil", "upstream[0].headers.x-envoy-original-host", "evil", None, "what only a proxy may say is taken off requests from outside"),
    # Methods and targets
    ("http1/method * | routes/header method put", "*", ANY, ANY, "any token is a method (RFC 9110, 9.1), as in HTTP/2, but for other spellings of known ones"),
    ("http1/target http://other?q=1", "*", ANY, ANY, "an absolute target without a path is '/' (RFC 9110, 4.2.3)"),
    ("http1/OPTIONS http://other", "*", ANY, ANY, "an absolute OPTIONS target without a path is '*' (RFC 9112, 3.2.4)"),
    ("http1/OPTIONS asterisk", "log[0]", re.compile(".*404 - absolute_path_rejected.*"), re.compile(".*404 NR route_not_found.*"), "'*' is a target like others; no route takes it"),
    # Upgrades
    ("http1/websocket and keep-alive", "upstream[0].headers.connection", "keep-alive, Upgrade", "Upgrade", "Connection is written anew for the next hop"),
    ("http1/*eb?ocket*", "log[0]", re.compile(".* 101 DC downstream_remote_disconnect - a"), re.compile(".* 101 - via_upstream - a"), "the request is logged when it has been answered, and ends there"),
    ("malformed/upgrade with a body", "*", ANY, ANY, "an upgrade with a body is no upgrade: the request goes on without it"),
    ("malformed/connection names host | malformed/connection names a pseudo-header", "*", ANY, ANY, "Host and the pseudo-headers are no fields that Connection could take away"),
    # Floods
    ("redirects/answers in a row", "*", ANY, ANY, "answers to a pipeline are made one at a time, so none queue up"),
    ("redirects/answer * /none", "*", ANY, ANY, "a route that forwards nothing says so: 500, where Envoy looks for a cluster without a name"),
    # HTTP/2
    ("http2/* HEAD | http2/* answered status 204 | http2/* answered status 304", "log[0] responses[0].end", ANY, ANY, "a body where none can be is left out, and the answer is whole (RFC 9110, 6.4.1)"),
    ("http2/HTTP/1.1 to an HTTP/2 listener", "end rest", ANY, ANY, "who does not speak HTTP/2 is told so by GOAWAY, and the connection ends (RFC 9113, 3.4)"),
    ("http2/HTTP/2 to an HTTP/1.1 listener", "log[0]", ANY, re.compile("- - HTTP/1.1 505 DPE http1.codec_error - -"), "another major version is 505 (RFC 9110, 15.6.6)"),
    ("http2/*", "upstream[0].headers.te", "trailers", None, "TE is for the next hop only (RFC 9110, 10.1.4)"),
    ("http2/* malformed unknown method", "upstream[0].headers.content-length", "0", None, "no body is said by saying nothing (RFC 9110, 8.6)"),
    ("http2/* POST with a wrong length | http2/* POST longer than its length | http2/* pseudo-header in trailers", "log[0] end responses[0].end", ANY, ANY,
     "the stream is reset alone, and the log says that it ended from downstream"),
    ("http2/* answered close | http2/* answered reset * | resilience/* hang-up | resilience/* reset", "upstream* responses[0].body responses[0].headers.content-length responses[0].headers.x-envoy-attempt-count log[0]", ANY, ANY,
     "a GET that met a kept connection as it closed is sent once more (RFC 9110, 9.2.2)"),
    ("http2/* answered header transfer-encoding=x", "log[0]", re.compile(r".*\{protocol_error\} - a"), re.compile(r".*\{protocol_error\|.*\} - a"), "the log says what was wrong with the upstream's answer"),
    # Addresses
    ("forwarded/*", "upstream[0].headers.x-forwarded-for log[0]", re.compile(r".*192\.0\.2\.2.*"), ANY, "a caller on this host is told as it is, not by an address of this host"),
    ("forwarded/* x-envoy-peer-metadata: x", "upstream[0].headers.x-envoy-peer-metadata", "x", None, "what a mesh's proxies say about themselves is for proxies"),
    ("forwarded/* x-forwarded-for twice | forwarded/* x-request-id twice", "upstream[0].headers.x-forwarded-for upstream[0].headers.x-request-id log[0]", ANY, ANY, "fields of a name may stay apart (RFC 9110, 5.3)"),
    ("forwarded/* /// | forwarded/* ///", "upstream[0].target log[0]", re.compile(".*//.*"), ANY, "merging slashes leaves no two of them in a row"),
]
