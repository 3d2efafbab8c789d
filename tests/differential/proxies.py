# SPDX-License-Identifier: Apache-2.0
"""One proxy with upstreams of its own, so that both can be asked at once."""
import http.client
import json
import random
import re
import socket
import subprocess
import threading
import time

import client
from backend import Backends
from case import answer, http as http_listener

UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


class Certificate:
    def __init__(self, directory, name, subject, *extensions):
        self.chain, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        more = [word for extension in extensions for word in ("-addext", extension)]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", subject, *more, "-keyout", self.key, "-out", self.chain], check=True, capture_output=True)

    def message(self):
        return {"certificate_chain": {"filename": str(self.chain)}, "private_key": {"filename": str(self.key)}}


PORTS = iter(random.sample(range(20100, 32700), 12000))  # below the range from which outgoing connections take theirs
LOCK = threading.Lock()


def free_port():
    """Given to nobody else here."""
    while True:
        with LOCK:
            port = next(PORTS)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Proxy:
    """kind: "envoy" or "seine"."""

    def __init__(self, kind, program, area, directory, certificate):
        self.kind, self.area = kind, area
        directory.mkdir()
        self.directory = directory
        self.log = directory / "access.log"
        self.backends = Backends(area.backends, certificate)
        self.ports = dict(self.backends.ports)
        self.ports["admin"] = free_port()
        self.ports["nobody"] = free_port()  # refuses connections
        for one in [*area.listeners, {"name": "mark"}]:
            self.ports[one["name"]] = free_port()
        self.config = directory / "bootstrap.json"
        self.config.write_text(self.filled(bootstrap(area)))
        if kind == "envoy":
            command = [program, "-c", self.config, "--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "20", "-l", "warning"]
        else:
            command = [program, "-c", self.config, "--concurrency", "1", "-l", "warning"]
        self.output = directory / "output"
        self.process = subprocess.Popen(command, stdout=self.output.open("w"), stderr=subprocess.STDOUT)

    def filled(self, message):
        text = json.dumps(message, indent=1)
        for name, port in sorted(self.ports.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(f'"@@{name}"', str(port)).replace(f"@@{name}", str(port))
        return text.replace("@@log", str(self.log)).replace("@@dir", str(self.directory))

    def ready(self, seconds=15):
        """None, or why not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return f"{self.kind} ended with {self.process.returncode}:\n{self.output.read_text()[-3000:]}"
            try:
                if self.admin("/ready")[0] == 200:
                    return None
            except OSError:
                pass
            time.sleep(0.02)
        return f"{self.kind} is not ready:\n{self.output.read_text()[-3000:]}"

    def admin(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=5)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def run(self, case, number):
        """What the client got and what the upstreams saw."""
        rounds = []
        for _ in range(case.again):
            got = client.ask(case, self.ports[case.listener])
            rounds.append(got)
        time.sleep(0.01 if case.bytes is None else 0.05)
        out = rounds[0] if case.again == 1 else {"rounds": rounds}
        if case.upstreams:
            out["upstream"] = self.backends.take()
        else:
            self.backends.take()
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["mark"], timeout=5)
        connection.request("GET", "/", headers={"x-mark": str(number)})
        connection.getresponse().read()
        connection.close()
        return self.named(out)

    def named(self, value):
        """Ports by their names and everything that differs from run to run by its kind."""
        if isinstance(value, str):
            value = UUID.sub("<uuid>", value)
            for name, port in self.ports.items():
                value = value.replace(str(port), f"<{name}>")
            return re.sub(r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:<ephemeral>", value)
        if isinstance(value, dict):
            return {key: self.named(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.named(one) for one in value]
        return value

    def logs(self, cases):
        """The access log, cut at the marks: one list of lines for each case."""
        last = f"mark {cases - 1}"
        end = time.monotonic() + 3
        while time.monotonic() < end:
            lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
            if any(line == last for line in lines):
                break
            time.sleep(0.02)
        out = [[] for _ in range(cases + 1)]
        at = 0
        for line in lines:
            if line.startswith("mark "):
                at = int(line[5:]) + 1
            else:
                out[at].append(self.named(line))
        return out

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.backends.close()


def bootstrap(area):
    mark = http_listener("mark", answer(200, "ok"), log="mark %REQ(X-MARK)%\n")
    return {"node": {"id": "n", "cluster": "c"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": "@@admin"}}},
            "static_resources": {"listeners": [*area.listeners, mark], "clusters": area.clusters,
                                 **({"secrets": area.secrets} if area.secrets else {})}, **area.more}
