#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One seine-proxy takes over from another under load: python3 tests/hostile/takeover.py --bin DIRECTORY

Clients ask all the time, on connections that they keep and on fresh ones, while three successors take
over one after the other. No request may fail, and every predecessor must end by itself.
"""
import argparse
import http.client
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import peers  # noqa: E402
from peers import Backend, Proxy, check, free_port, until  # noqa: E402


def bootstrap(port, admin, backend, epoch):
    return f"""
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: t
          route_config:
            name: r
            response_headers_to_add: [{{header: {{key: x-epoch, value: "{epoch}"}}}}]
            virtual_hosts: [{{name: a, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: c}}}}]}}]
          http_filters: [{{name: router, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]
  clusters:
  - name: c
    type: STATIC
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]}}
"""


class Client(threading.Thread):
    """Asks without a pause; a connection that the proxy said it would close is left, any other failure counts."""

    def __init__(self, port, keep):
        super().__init__(daemon=True)
        self.port, self.keep = port, keep
        self.asked, self.failures, self.epochs, self.stop = 0, [], [], False

    def run(self):
        connection = None
        while not self.stop:
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("POST", "/", body=b"x" * 100)
                response = connection.getresponse()
                response.read()
                self.asked += 1
                if response.status != 200:
                    self.failures.append(response.status)
                epoch = response.getheader("x-epoch")
                if not self.epochs or self.epochs[-1] != epoch:
                    self.epochs.append(epoch)
                if response.getheader("connection") == "close" or not self.keep:
                    connection.close()
                    connection = None
            except OSError as error:
                self.failures.append(repr(error))
                connection = None
            except http.client.HTTPException as error:
                self.failures.append(repr(error))
                connection = None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    binary = str(pathlib.Path(options.bin) / "seine-proxy")
    directory = tempfile.mkdtemp(prefix="takeover-")
    backend, port, admin = Backend(), free_port(), free_port()
    base = str(os.getpid() * 100 + random.randrange(100))

    def proxy(epoch):
        where = pathlib.Path(directory) / str(epoch)
        where.mkdir()
        return Proxy(binary, bootstrap(port, admin, backend.port, epoch), port, where,
                     arguments=("--restart-epoch", str(epoch), "--base-id", base, "--drain-time-s", "3", "--parent-shutdown-time-s", "20", "-l", "info"), hot=True)

    proxies = [proxy(0)]
    clients = [Client(port, keep=i % 2 == 0) for i in range(6)]
    for client in clients:
        client.start()
    idle = [proxies[0].connect() for _ in range(5)]  # connections on which nothing ever comes
    check("clients are served", until(lambda: all(client.asked > 5 for client in clients)))
    for epoch in (1, 2, 3):
        proxies.append(proxy(epoch))
        ended = until(lambda: not proxies[epoch - 1].alive(), 15)
        check(f"the proxy of epoch {epoch - 1} drains and ends by itself", ended and proxies[epoch - 1].process.returncode == 0, proxies[epoch - 1].log.read_text()[-800:])
        before = [client.asked for client in clients]
        check(f"that of epoch {epoch} serves all clients",
              until(lambda: all(client.asked > count + 3 and client.epochs[-1] == str(epoch) for client, count in zip(clients, before))),
              [(client.epochs, client.asked) for client in clients])
        with __import__("urllib.request").request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=5) as answer:
            check("its admin port answers", answer.status == 200)
    for client in clients:
        client.stop = True
    time.sleep(0.2)
    failures = [failure for client in clients for failure in client.failures]
    check(f"no request of {sum(client.asked for client in clients)} failed", not failures, failures[:10])
    for s in idle:
        s.close()
    for one in proxies:
        one.stop()
    shutil.rmtree(directory, ignore_errors=True)
    print(f"\n{peers.passed} passed, {peers.failed} failed")
    sys.exit(1 if peers.failed else 0)


if __name__ == "__main__":
    main()
