# SPDX-License-Identifier: Apache-2.0
"""Retries, timeouts, circuit breakers, CORS, injected faults."""
from case import Area, Case, add, answer, cluster, get, host, http, to, typed


def retried(match, on, **more):
    policy = {"retry_on": on, "num_retries": 3, "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}
    return to("a", match, action={"retry_policy": {**policy, **more}})


FAULT = "envoy.extensions.filters.http.fault.v3.HTTPFault"
CORS = "envoy.extensions.filters.http.cors.v3.Cors"
POLICY = "envoy.extensions.filters.http.cors.v3.CorsPolicy"


def cors(match, target=True, **policy):
    route = to("a", match) if target else answer(200, "direct", match)
    return {**route, "typed_per_filter_config": {"envoy.filters.http.cors": typed(POLICY, **policy)}}


def faulty(match, **fault):
    return to("a", match, typed_per_filter_config={"envoy.filters.http.fault": typed(FAULT, **fault)})


ALWAYS = {"numerator": 100}
RETRIES = host(
    retried("/5xx", "5xx"), retried("/gateway", "gateway-error"), retried("/reset", "reset"), retried("/connect", "connect-failure"),
    retried("/4xx", "retriable-4xx"), retried("/codes", "retriable-status-codes", retriable_status_codes=[418, 404]),
    retried("/headers", "retriable-headers", retriable_headers=[{"name": "x-retry", "present_match": True}]),
    retried("/hvalue", "retriable-headers", retriable_headers=[{"name": "x-retry", "string_match": {"exact": "yes"}}]),
    retried("/words", "503,reset"), retried("/none", "5xx", num_retries=0), retried("/once", "5xx,reset", num_retries=1), retried("/istio", "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", retriable_status_codes=[503], num_retries=2),
    to("refused", "/refused", action={"retry_policy": {"retry_on": "connect-failure", "num_retries": 2}}),
    to("half", "/half", action={"retry_policy": {"retry_on": "connect-failure", "num_retries": 5, "retry_host_predicate": [
        {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")}], "host_selection_retry_max_attempts": 5}}),
    retried("/pertry", "5xx", per_try_timeout="0.1s"), to("a", "/timeout", action={"timeout": "0.1s"}), to("a", "/notimeout", action={"timeout": "0s"}),
    to("a", "/pertimeout", action={"timeout": "0.25s", "retry_policy": {"retry_on": "5xx", "num_retries": 9, "retry_back_off": {"base_interval": "0.001s"}, "per_try_timeout": "0.1s"}}),
    to("a", "/stream", action={"max_stream_duration": {"max_stream_duration": "0.1s"}}), to("a", "/idle", action={"idle_timeout": "0.1s"}),
    to("a", "/both-limits", action={"timeout": "0.1s", "max_stream_duration": {"max_stream_duration": "0.6s"}}), to("a", "/no-limit", action={"timeout": "0.1s", "max_stream_duration": {}}),
    to("full", "/full"), to("a"), include_request_attempt_count=True, include_attempt_count_in_response=True)
CORSES = host(
    cors("/star", allow_origin_string_match=[{"exact": "*"}], allow_methods="GET,PUT", allow_headers="x-a", expose_headers="x-b", max_age="60"),
    cors("/one", allow_origin_string_match=[{"exact": "https://a.example"}], allow_credentials=True, allow_methods="GET"),
    cors("/suffix", allow_origin_string_match=[{"suffix": ".example"}, {"safe_regex": {"regex": "http://l[0-9]+"}}], allow_methods="POST", allow_headers="*"),
    cors("/off", allow_origin_string_match=[{"exact": "*"}], filter_enabled={"default_value": {"numerator": 0}}),
    cors("/forward", allow_origin_string_match=[{"exact": "https://a.example"}], forward_not_matching_preflights=True),
    cors("/keep", allow_origin_string_match=[{"exact": "https://a.example"}], forward_not_matching_preflights=False),
    cors("/direct", target=False, allow_origin_string_match=[{"exact": "https://a.example"}], allow_methods="GET"), to("a"))
FAULTS = host(
    faulty("/503", abort={"http_status": 503, "percentage": ALWAYS}), faulty("/418", abort={"http_status": 418, "percentage": ALWAYS}),
    faulty("/grpc", abort={"grpc_status": 14, "percentage": ALWAYS}), faulty("/never", abort={"http_status": 503, "percentage": {"numerator": 0}}),
    faulty("/delay", delay={"fixed_delay": "0.05s", "percentage": ALWAYS}), faulty("/both", delay={"fixed_delay": "0.05s", "percentage": ALWAYS}, abort={"http_status": 500, "percentage": ALWAYS}),
    faulty("/match", abort={"http_status": 503, "percentage": ALWAYS}, headers=[{"name": "x-fault", "string_match": {"exact": "yes"}}]),
    faulty("/asked", abort={"header_abort": {}, "percentage": ALWAYS}, delay={"header_delay": {}, "percentage": ALWAYS}),
    faulty("/half-asked", abort={"http_status": 503, "percentage": {"numerator": 0}}, delay={"header_delay": {}, "percentage": {"numerator": 0}}),
    faulty("/upstream-own", upstream_cluster="a", abort={"http_status": 503, "percentage": ALWAYS}),
    faulty("/upstream", upstream_cluster="b", abort={"http_status": 503, "percentage": ALWAYS}), faulty("/200", abort={"http_status": 200, "percentage": ALWAYS}), to("a"))
FULL = cluster("full", "a", circuit_breakers={"thresholds": [{"max_requests": 0, "max_connections": 0, "max_pending_requests": 0}]})


def cases():
    tries = {"5xx": [500, 502, 503, 504, 404, 429], "gateway": [500, 502, 503, 504], "reset": [503], "connect": [503], "4xx": [409, 404, 400], "codes": [418, 404, 500],
             "words": [503, 500], "none": [503], "once": [503], "istio": [503, 500, 502]}
    for path, statuses in tries.items():
        for status in statuses:
            for times in (1, 5):
                yield Case(f"retry {path} of {times} times {status}", get(f"/{path}", "example.com", f"x-do: fail {times} {status} {path}{times}{status}"))
        yield Case(f"retry {path} after a hang-up", get(f"/{path}", "example.com", "x-do: close"))
        yield Case(f"retry {path} after a reset", get(f"/{path}", "example.com", "x-do: reset"))
    yield Case("retry of a header", get("/headers", "example.com", "x-do: header x-retry=1"))
    yield Case("retry of a header not there", get("/headers"))
    yield Case("retry of a header's value", get("/hvalue", "example.com", "x-do: header x-retry=yes"))
    yield Case("retry of another value", get("/hvalue", "example.com", "x-do: header x-retry=no"))
    yield Case("retry with a body", get("/5xx", "example.com", "x-do: fail 2 503 body", method="POST", body="b" * 5000))
    yield Case("retry asked for by header", get("/", "example.com", "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 2", "x-do: fail 2 503 asked"))
    yield Case("retry asked for by header, codes", get("/", "example.com", "x-envoy-retry-on: retriable-status-codes", "x-envoy-retriable-status-codes: 404", "x-do: fail 1 404 askedcodes"))
    yield Case("more retries asked for by header", get("/5xx", "example.com", "x-envoy-max-retries: 1", "x-do: fail 5 503 askedmore"))
    yield Case("retry of grpc", get("/istio", "example.com", "content-type: application/grpc", "x-do: header grpc-status=14", method="POST", body=""))
    yield Case("refused", get("/refused"))
    yield Case("refused by one of two", get("/half"), again=3, upstreams=False, chance="*.x-envoy-attempt-count")
    yield Case("per try timeout", get("/pertry", "example.com", "x-do: sleep 0.3"))
    yield Case("timeout", get("/timeout", "example.com", "x-do: sleep 0.3"))
    yield Case("timeout of grpc", get("/timeout", "example.com", "content-type: application/grpc", "x-do: sleep 0.3", method="POST", body=""))
    yield Case("no timeout", get("/notimeout", "example.com", "x-do: sleep 0.2"))
    yield Case("timeout of all tries", get("/pertimeout", "example.com", "x-do: sleep 0.4"), upstreams=False, chance="*.x-envoy-attempt-count")
    yield Case("stream duration", get("/stream", "example.com", "x-do: sleep 0.3"))
    yield Case("stream duration and timeout", get("/both-limits", "example.com", "x-do: sleep 0.3"))
    yield Case("stream duration of none", get("/no-limit", "example.com", "x-do: sleep 0.3"))
    yield Case("route idle timeout", get("/idle", "example.com", "x-do: sleep 0.3"))
    yield Case("timeout asked for by header", get("/", "example.com", "x-envoy-upstream-rq-timeout-ms: 100", "x-do: sleep 0.3"))
    yield Case("per try timeout asked for by header", get("/", "example.com", "x-envoy-upstream-rq-per-try-timeout-ms: 100", "x-do: sleep 0.3"))
    yield Case("slow body into a timeout", [get("/timeout", "example.com", "content-length: 3", method="POST"), 0.2, b"abc"], method="POST")
    yield Case("full", get("/full"))
    for path in ["/star", "/one", "/suffix", "/off", "/forward", "/keep", "/direct", "/other"]:
        for origin in ["https://a.example", "https://b.example", "http://l12", "null", ""]:
            yield Case(f"cors {path} of {origin}", get(path, "example.com", f"origin: {origin}"), "cors")
            yield Case(f"preflight {path} of {origin}", get(path, "example.com", f"origin: {origin}", "access-control-request-method: GET", method="OPTIONS"), "cors")
        yield Case(f"cors {path} without origin", get(path), "cors")
        yield Case(f"preflight {path} without a method", get(path, "example.com", "origin: https://a.example", method="OPTIONS"), "cors")
        yield Case(f"preflight {path} with headers", get(path, "example.com", "origin: https://a.example", "access-control-request-method: PUT", "access-control-request-headers: x-a", method="OPTIONS"), "cors")
        yield Case(f"cors {path} over upstream's own", get(path, "example.com", "origin: https://a.example", "x-do: header access-control-allow-origin=other; header access-control-expose-headers=own"), "cors")
    for path in ["/503", "/418", "/grpc", "/never", "/delay", "/both", "/match", "/upstream", "/200", "/other"]:
        yield Case(f"fault {path}", get(path), "fault")
        yield Case(f"fault {path} of grpc", get(path, "example.com", "content-type: application/grpc", method="POST", body=""), "fault")
        yield Case(f"fault {path} with its header", get(path, "example.com", "x-fault: yes"), "fault")
    yield Case("fault of its cluster", get("/upstream-own"), "fault")
    for asked in ["abort-request: 418", "abort-request: 199", "abort-request: 600", "abort-request: x", "abort-grpc-request: 14", "abort-grpc-request: 99",
                  "delay-request: 20", "delay-request: x", "delay-request: -5", "abort-request: 503|abort-request-percentage: 0",
                  "abort-request: 503|abort-grpc-request: 5", "abort-request: 503|delay-request: 20", "abort-request: 503|delay-request: 20|delay-request-percentage: 0"]:
        headers = [f"x-envoy-fault-{one}" for one in asked.split("|")]
        for path in ["/asked", "/half-asked", "/503"]:
            yield Case(f"fault {path} asked {asked}", get(path, "example.com", *headers), "fault")
        yield Case(f"fault /asked of grpc asked {asked}", get("/asked", "example.com", "content-type: application/grpc", *headers, method="POST", body=""), "fault")


def filtered(name, kind):
    return {"name": name, "typed_config": typed(kind)}


AREA = Area(
    listeners=[http("main", RETRIES), http("cors", CORSES, filters=[filtered("envoy.filters.http.cors", CORS)]), http("fault", FAULTS, filters=[filtered("envoy.filters.http.fault", FAULT)])],
    clusters=[cluster("a"), cluster("b"), cluster("refused", "nobody"), cluster("half", "a", "nobody"), FULL], cases=list(cases()))
