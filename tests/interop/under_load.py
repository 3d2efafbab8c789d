# SPDX-License-Identifier: Apache-2.0
"""Everything about a running seine-proxy changes all the time while wrk and h2load send: no request may fail. Two
workers; a build with ThreadSanitizer tells of every race (see the stage `tsan`)."""
import itertools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import urllib.request

import ads_server
import peers

SECONDS = 8
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def answering(port):
    """A listener of the same proxy that answers by itself: what is behind costs nothing and cannot fail."""
    http = {"@type": HCM, "stat_prefix": f"answers_{port}", "codec_type": "AUTO",
            "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "here\n"}}}]}]}}
    return {"name": f"answers_{port}", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}]}


def change(server, web, behind, stop):
    for turn in itertools.count():
        if stop.is_set():
            return turn
        server.publish("route", ads_server.route({"one": 1 + turn % 9, "two": 9 - turn % 9}))
        server.publish("endpoint", ads_server.endpoints("one", behind[turn % 2]), ads_server.endpoints("two", behind[(turn + 1) % 2]))
        if turn % 4 == 3:
            clusters = [ads_server.cluster("one"), ads_server.cluster("two")]
            for each in clusters:
                each.connect_timeout.seconds = 1 + turn % 3
            server.publish("cluster", *clusters)
        if turn % 8 == 7:
            listener = ads_server.listener(web)
            listener.stat_prefix = f"turn{turn}"
            server.publish("listener", listener)
        time.sleep(0.02)


def scrape(admin, stop):
    while not stop.is_set():
        for page in ("stats/prometheus", "clusters", "config_dump", "listeners"):
            urllib.request.urlopen(f"http://127.0.0.1:{admin}/{page}").read()
        time.sleep(0.1)


def drive(proxy):
    print("changes of everything under load")
    web, admin, behind = peers.free_port(), peers.free_port(), [peers.free_port(), peers.free_port()]
    server = ads_server.Ads()
    server.publish("cluster", ads_server.cluster("one"), ads_server.cluster("two"))
    server.publish("endpoint", *(ads_server.endpoints(name, port) for name, port in zip(("one", "two"), behind)))
    server.publish("listener", ads_server.listener(web))
    server.publish("route", ads_server.route({"one": 1, "two": 1}))
    grpc_server, ads_port = server.start()
    with tempfile.TemporaryDirectory() as folder:
        config = ads_server.bootstrap(ads_port, admin, "DELTA_GRPC")
        config["static_resources"]["listeners"] = [answering(port) for port in behind]
        file, log = pathlib.Path(folder) / "bootstrap.json", pathlib.Path(folder) / "proxy.log"
        file.write_text(json.dumps(config))
        process = peers.start([proxy, "-c", str(file), "--concurrency", "2"], log,
                              env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1:exitcode=66"})
        if not peers.check("it serves", peers.until(lambda: ads_server.get_text(web) == "here\n", 30), log.read_text()[-1500:]):
            return
        stop, turns = threading.Event(), []
        others = [threading.Thread(target=lambda: turns.append(change(server, web, behind, stop))),
                  threading.Thread(target=scrape, args=(admin, stop))]
        for thread in others:
            thread.start()
        url = f"http://127.0.0.1:{web}/"
        loads = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for words in (
            ["wrk", "-t1", "-c16", f"-d{SECONDS}s", url],
            ["h2load", "-t1", "-c4", "-m8", f"-D{SECONDS}", url])]
        wrk, h2load = (load.communicate()[0] for load in loads)
        stop.set()
        for thread in others:
            thread.join()
        served = re.search(r"(\d+) requests in", wrk)
        peers.check("HTTP/1.1: requests were served, none failed",
                    served and int(served.group(1)) > 100 and "Non-2xx" not in wrk and "Socket errors" not in wrk, wrk)
        done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", h2load)
        peers.check("HTTP/2: requests were served, none failed",
                    done and int(done.group(2)) > 100 and not any(int(done.group(i)) for i in (3, 4, 5)), h2load)
        peers.check("it changed many times, and nothing was refused", turns and turns[0] > 20 and not server.nacks, (turns, server.nacks[:3]))
        text = log.read_text()
        peers.check("it still runs, without a complaint", process.poll() is None and "Sanitizer" not in text, text[-3000:])
        process.terminate()
        peers.check("SIGTERM ends it in order", process.wait(30) == 0, log.read_text()[-3000:])
    grpc_server.stop(0)
