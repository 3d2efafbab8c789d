# SPDX-License-Identifier: Apache-2.0
"""A stock Envoy must take all that Seine generates: the scenarios' rules, for three proxies, read from files."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import peers

PODS = ["default/nginx", "default/helloworld-v1-1", "istio-system/istio-ingressgateway-1"]
SECRETS = {"certificate": ["default", "kubernetes://shop", "kubernetes://m"], "authority": ["ROOTCA", "kubernetes://m-cacert", "file-root:system"]}


class Admin(http.client.HTTPConnection):
    """Envoy's admin on a Unix socket, since Envoy lives in a network namespace of its own."""

    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def ask(path, what):
    admin = Admin(path)
    try:
        admin.request("GET", what)
        return admin.getresponse().read().decode()
    finally:
        admin.close()


def secrets(directory):
    """One self-signed certificate stands for all of them."""
    key, certificate = directory / "key.pem", directory / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=test", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    out = [{"@type": kind, "name": name, "tls_certificate": {"certificate_chain": {"filename": str(certificate)},
                                                               "private_key": {"filename": str(key)}}}
           for name in SECRETS["certificate"]]
    out += [{"@type": kind, "name": name, "validation_context": {"trusted_ca": {"filename": str(certificate)}}}
            for name in SECRETS["authority"]]
    for secret in out:
        file = directory / f"sds.{secret['name'].replace('/', '_')}.json"
        file.write_text(json.dumps({"version_info": "1", "resources": [secret]}))


def bootstrap(directory):
    def watched(file):
        return {"path_config_source": {"path": str(directory / file)}, "resource_api_version": "V3"}
    return {"node": {"id": "test", "cluster": "test"},
            "admin": {"address": {"pipe": {"path": str(directory / "admin")}}},
            "dynamic_resources": {"lds_config": watched("lds.json"), "cds_config": watched("cds.json")},
            "static_resources": {"clusters": [{"name": "sds-grpc", "type": "STATIC", "connect_timeout": "1s"}]}}


def try_one(envoy, programs, pod, rules):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="seine-scenario-"))
    files = [str(rules)] if rules else []
    subprocess.run([programs / "scenario_dump", pod, directory, *files], check=True)
    secrets(directory)
    (directory / "envoy.json").write_text(json.dumps(bootstrap(directory)))
    log = directory / "log"
    process = subprocess.Popen(["unshare", "--net", "--kill-child", "sh", "-c",
                                f"ip link set lo up; exec {envoy} -c {directory}/envoy.json --disable-hot-restart --concurrency 1 -l warning"],
                               stdout=log.open("w"), stderr=subprocess.STDOUT)
    admin = str(directory / "admin")
    try:
        def settled():
            wanted = len(json.loads((directory / "lds.json").read_text()).get("resources", []))
            found = dict(line.split(": ") for line in ask(admin, "/stats?filter=update_rejected|listener_manager|cluster_manager").splitlines()
                         if ": " in line and line.count(": ") == 1)
            bad = [f"{name}: {value}" for name, value in found.items()
                   if name.endswith(("update_rejected", "listener_create_failure")) and value.strip() != "0"]
            active = int(found.get("listener_manager.total_listeners_active", "0"))
            warming = int(found.get("listener_manager.total_listeners_warming", "0"))
            loaded = int(found.get("cluster_manager.cds.update_success", "0")) and int(found.get("listener_manager.lds.update_success", "0"))
            return ("bad", bad) if bad else (("good", active) if loaded and active == wanted and warming == 0 else None)
        verdict = peers.until(settled, 20)
        name = f"{pod} with {rules.stem if rules else 'no rules'}"
        detail = verdict or "listeners never became active"
        if not (verdict and verdict[0] == "good"):
            said = [line for line in log.read_text().splitlines() if "eprecated" not in line]
            detail = "\n".join([str(detail), *said])
        peers.check(f"Envoy takes what {name} is told", bool(verdict and verdict[0] == "good"), detail)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def drive(programs):
    envoy = shutil.which("envoy", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    scenarios = pathlib.Path(__file__).resolve().parent.parent / "scenario" / "rules"
    for rules in [None, *sorted(scenarios.glob("*.yaml"))]:
        for pod in PODS:
            try_one(envoy, programs, pod, rules)


if __name__ == "__main__":
    drive(pathlib.Path(sys.argv[1]))
    peers.finish()
