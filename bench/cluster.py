#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast and how small the one-machine cluster is: `seine up` to the first routed request, a pod with sidecar
until it is Ready, the memory (PSS) of a sidecar among ten. In a state directory of its own, gone afterwards.
Needs root, the programs in --bin and a kubectl on the PATH (`./dev bench cluster` brings both)."""
import argparse
import json
import os
import pathlib
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]


class Cluster:
    def __init__(self, bin_dir):
        self.home = tempfile.TemporaryDirectory(prefix="seine-bench-")
        self.env = dict(os.environ, XDG_STATE_HOME=self.home.name, HOME=self.home.name, PATH=f"{bin_dir}:{os.environ['PATH']}")
        self.env["KUBECONFIG"] = f"{self.home.name}/seine/kubeconfig"

    def run(self, *command, stdin=None):
        done = subprocess.run(command, input=stdin, env=self.env, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def up(self):
        began = time.monotonic()
        self.run("seine", "up")
        return time.monotonic() - began

    def down(self):
        self.run("seine", "down", "--purge")
        self.home.cleanup()

    def connect(self):
        """A connection of our own to the API server: no kubectl start-up in the figures."""
        view = json.loads(self.run("kubectl", "config", "view", "--raw", "--minify", "-o", "json"))
        context = ssl.create_default_context(cadata=decoded(view["clusters"][0]["cluster"]["certificate-authority-data"]))
        user = view["users"][0]["user"]
        with tempfile.NamedTemporaryFile("w") as chain:
            chain.write(decoded(user["client-certificate-data"]) + decoded(user["client-key-data"]))
            chain.flush()
            context.load_cert_chain(chain.name)
        self.server, self.tls = view["clusters"][0]["cluster"]["server"], context

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.server + path, method=method, data=json.dumps(body).encode() if body else None,
                                         headers={"content-type": "application/json"})
        return urllib.request.urlopen(request, context=self.tls)

    def pod_ready(self, name):
        """Seconds from the POST of a pod until a watch says Ready."""
        spec = {"containers": [{"name": "main", "image": "nginx"}]}
        began = time.monotonic()
        made = json.load(self.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": name}, "spec": spec}))
        watch = self.ask("GET", f"/api/v1/namespaces/default/pods?watch=1&fieldSelector=metadata.name={name}"
                                f"&resourceVersion={made['metadata']['resourceVersion']}")
        for line in watch:
            conditions = json.loads(line)["object"].get("status", {}).get("conditions", [])
            if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                return time.monotonic() - began


def decoded(text):
    import base64
    return base64.b64decode(text).decode()


def sidecar_memory():
    """PSS and RSS in MB of each running sidecar."""
    out = []
    for status in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = status.read_bytes().split(b"\0")
            if not words[0].endswith(b"seine-proxy") or b"sidecar" not in words:
                continue
            rollup = dict(line.split(":") for line in (status.parent / "smaps_rollup").read_text().splitlines()[1:])
        except (OSError, ValueError):
            continue
        out.append(tuple(int(rollup[key].split()[0]) / 1024 for key in ("Pss", "Rss")))
    return out


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bin", required=True)
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    ups, firsts, readies, memory = [], [], [], []
    for _ in range(options.rounds):
        cluster = Cluster(os.path.abspath(options.bin))
        began = time.monotonic()
        ups.append(cluster.up())
        cluster.run("kubectl", "label", "ns", "default", "istio-injection=enabled")
        cluster.run("kubectl", "apply", "-f", "samples/helloworld/helloworld.yaml", "-f", "samples/curl/curl.yaml")
        for name in ("helloworld-v1", "helloworld-v2", "curl"):
            cluster.run("kubectl", "rollout", "status", f"deploy/{name}")
        answer = cluster.run("kubectl", "exec", "deploy/curl", "--", "curl", "-s", "--retry", "5", "http://helloworld:5000/hello")
        if not answer.startswith("Hello version"):
            raise SystemExit(f"unexpected answer: {answer}")
        firsts.append(time.monotonic() - began)
        cluster.connect()
        readies += [cluster.pod_ready(f"pod-{i}") for i in range(7)]  # with the three of above: ten sidecars
        memory += sidecar_memory()
        cluster.down()
    row = "{:<58}{:>9.2f} {}"
    print(row.format("seine up", statistics.median(ups), "s"))
    print(row.format("seine up to the first request between two sidecars (*)", statistics.median(firsts), "s"))
    print(row.format("a pod with sidecar until Ready, median", statistics.median(readies) * 1000, "ms"))
    print(row.format("a pod with sidecar until Ready, slowest", max(readies) * 1000, "ms"))
    print(row.format("a sidecar among ten, PSS", statistics.median(m[0] for m in memory), "MB"))
    print(row.format("a sidecar among ten, RSS", statistics.median(m[1] for m in memory), "MB"))
    print("(*) six runs of kubectl and three Deployments of the tutorial included")


if __name__ == "__main__":
    main()
