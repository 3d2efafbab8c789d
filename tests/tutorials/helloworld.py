#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The helloworld tutorial, command by command, with the real kubectl against a running one-machine cluster.

Every step says what the reader types and asserts what the reader is promised. Shares of weighted traffic are held
to a binomial bound; nothing is held to an exact order. Expects KUBECONFIG and PATH as `seine env` prints them.
"""
import math
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELLO = "http://helloworld.default:5000/hello"
GATEWAY = "http://istio-ingressgateway.istio-system/hello"
LINE = re.compile(r"^Hello version: (v[12]), instance: (helloworld-v[12]-[0-9a-z]+-[0-9a-z]{5})$")
passed = failed = 0


def run(command, stdin=None, timeout=60):
    done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def check(what, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print(f"  ok    {what}", flush=True)
    else:
        failed += 1
        print(f"  FAIL  {what}\n        {str(detail).strip()[:1500]}", flush=True)
    return good


def types(command, expect, stdin=None, code=0):
    """The reader types `command`; its output is exactly `expect` (a list of lines), or matches it (a pattern)."""
    status, out, err = run(command, stdin)
    # Warnings stand on standard error and take nothing from the answer.
    seen = out + "\n".join(line for line in err.splitlines() if isinstance(expect, re.Pattern) or not line.startswith("Warning: "))
    if isinstance(expect, re.Pattern):
        good = expect.search(seen) is not None
    else:
        good = seen.splitlines() == expect
    check(f"$ {command.splitlines()[0]}", good and status == code, f"exit {status}\n{seen}\nexpected: {expect}")
    return out


def until(what, probe, seconds=60):
    """Waits for what the reader would see on looking again."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return check(what, True)
        if time.monotonic() > end:
            return check(what, False, "not within %d s" % seconds)
        time.sleep(0.1)


def curls(count, url, options=""):
    """`count` requests from a shell in the nginx pod; one answer a line, with the status at its end."""
    loop = f"i=0; while [ $i -lt {count} ]; do curl -s -m 10 {options} -w '|%{{http_code}}\\n' '{url}'; i=$((i+1)); done"
    _, out, err = run("kubectl exec -i nginx -- sh", stdin=loop + "\n", timeout=180)
    return out, err


def shares(text):
    answers = [LINE.match(line) for line in text.splitlines()]
    versions = [m.group(1) for m in answers if m]
    return versions.count("v1"), versions.count("v2")


def split(what, url, share_v1, count=200):
    """All requests succeed and v1's share lies within five standard deviations of what was asked."""
    out, err = curls(count, url)
    v1, v2 = shares(out)
    if not check(f"{what}: {count} of {count} answered", v1 + v2 == count, out[-600:] + err):
        return
    spread = 5 * math.sqrt(count * share_v1 * (1 - share_v1))
    check(f"{what}: v1 {v1}, v2 {v2}", abs(v1 - count * share_v1) <= spread, f"expected about {share_v1:.0%} for v1")


def status_of(url, options=""):
    out, _ = curls(1, url, options)
    match = re.search(r"\|(\d+)\s*$", out)
    return int(match.group(1)) if match else 0


class Stream:
    """Requests without a pause while rules change: none of them may fail."""

    def __init__(self, url):
        self.bad, self.good, self.stopping = [], 0, False
        loop = f"while [ ! -e /tmp/stop ]; do curl -s -m 10 '{url}' || echo \"curl failed: $?\"; done; rm /tmp/stop"
        self.process = subprocess.Popen(["kubectl", "exec", "-i", "nginx", "--", "sh", "-c", loop], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            if LINE.match(line.strip()):
                self.good += 1
            else:
                self.bad.append(line.strip())

    def stop(self, what):
        run("kubectl exec nginx -- touch /tmp/stop")
        self.process.wait(30)
        self.thread.join()
        check(f"{what}: {self.good} requests while rules changed, none failed", self.good > 20 and not self.bad, self.bad[:5])


def terminal(command, keys, seconds=20):
    """Types into a real terminal; returns what it showed."""
    child, fd = pty.fork()
    if child == 0:
        os.execvp("sh", ["sh", "-c", command])
    shown, end = b"", time.monotonic() + seconds
    keys = list(keys)
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], 0.2)
        if ready:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        if keys and re.search(keys[0][0].encode(), shown[keys[0][2] if len(keys[0]) > 2 else 0:]):
            os.write(fd, keys[0][1].encode())
            keys.pop(0)
    os.close(fd)  # hangs up on whatever still runs
    for signal_number in (0, signal.SIGTERM, signal.SIGKILL):
        if signal_number:
            os.kill(child, signal_number)
        for _ in range(20):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return shown.decode(errors="replace"), os.waitstatus_to_exitcode(status)
            time.sleep(0.1)
    return shown.decode(errors="replace"), -1


def service(version):
    return f"""apiVersion: v1
kind: Service
metadata:
  name: helloworld-{version}
  labels:
    app: helloworld
    service: helloworld
    version: {version}
spec:
  ports:
  - port: 5000
    name: http
  selector:
    app: helloworld
    version: {version}
"""


VS = """# simple-virtual-service
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: helloworld-vs
spec:
  hosts:
  - "helloworld.default.svc.cluster.local"
  http:
  - route:
    - destination:
        host: helloworld-v1.default.svc.cluster.local
      weight: 20 # 20% 트래픽
    - destination:
        host: helloworld-v2.default.svc.cluster.local
      weight: 80 # 80% 트래픽
"""
GW = """# helloworld-gateway.yaml
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata:
  name: helloworld-gateway
spec:
  selector:
    istio: ingressgateway # use istio default controller
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - "*"
"""
VS_GATEWAY = """# hellworld-vs-with-gateway.yaml
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: helloworld-vs-w-gateway
spec:
  hosts:
  - "*"
  gateways:
  - helloworld-gateway
  http:
  - route:
    - destination:
        host: helloworld-v1.default.svc.cluster.local
        port:
          number: 5000
      weight: 70 # 70% 트래픽
    - destination:
        host: helloworld-v2.default.svc.cluster.local
        port:
          number: 5000
      weight: 30 # 30% 트래픽
"""
DR = """# helloworld-dr.yaml
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: helloworld-dr
spec:
  host: helloworld.default.svc.cluster.local
  subsets: # subset들을 정의하자!
  - name: helloworld-v1
    labels:
      version: v1
  - name: helloworld-v2
    labels:
      version: v2
"""
VS_DR = """# helloworld-vs-w-dr.yaml
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: helloworld-vs-w-dr
spec:
  hosts:
  - "helloworld.default.svc.cluster.local"
  http:
  - route:
    - destination:
        host: helloworld.default.svc.cluster.local
        subset: helloworld-v1 # 이번에는 subset을 쓴다!
      weight: 70 # 70% 트래픽
    - destination:
        host: helloworld.default.svc.cluster.local
        subset: helloworld-v2
      weight: 30 # 30% 트래픽
"""
WILDCARD = ("configuration is invalid: wildcard host * is not allowed for virtual services bound to the mesh gateway")


def main():
    print("0.1 label the namespace")
    types("kubectl label ns default istio-injection=enabled", ["namespace/default labeled"])

    print("0.2 deploy helloworld")
    types("kubectl apply -n default -f samples/helloworld/helloworld.yaml",
          ["service/helloworld created", "deployment.apps/helloworld-v1 created", "deployment.apps/helloworld-v2 created"])
    types("kubectl wait --for=condition=Available deploy/helloworld-v1 deploy/helloworld-v2 --timeout=60s",
          re.compile("helloworld-v2 condition met"))
    types("kubectl get pods -l app=helloworld", re.compile(
        r"NAME +READY +STATUS +RESTARTS +AGE\nhelloworld-v1-\S+ +2/2 +Running +0 +\S+\nhelloworld-v2-\S+ +2/2 +Running +0 +\S+\n"))

    types("kubectl get deploy helloworld-v1 -o jsonpath='{.metadata.generation}'", ["1"])
    types("kubectl get --raw /api/v1/namespaces/default/services/helloworld:http/proxy/hello", re.compile("^Hello version: v[12]"))

    print("0.3 a client pod and the plain Service")
    types("kubectl run nginx --image=nginx", ["pod/nginx created"])
    types("kubectl wait --for=condition=Ready pod/nginx --timeout=60s", ["pod/nginx condition met"])
    types("kubectl get pod nginx", re.compile(r"nginx +2/2 +Running +0"))
    shown, code = terminal("kubectl exec -it nginx -- sh", [
        (r"[#$] ", f"while true; do curl -s '{HELLO}'; done\r"), (r"(Hello version[^\n]*\r\n.*){10}", "\x03"),
        (r"\^C", "exit\r"), (r"exit", "exit\r")])
    check("an interactive shell, a loop of curls, Ctrl-C", len(re.findall("Hello version: v[12], instance: ", shown)) >= 10, shown[-800:])
    check("no stray error on the terminal", "rror" not in shown, shown[-500:])
    split("helloworld.default:5000", HELLO, 0.5)

    types("kubectl exec nginx -- nslookup helloworld", re.compile(r"Name:\s+helloworld\.default\.svc\.cluster\.local\n"))
    types("kubectl exec nginx -- nc -zv helloworld 5000", re.compile("open|succeeded"))
    types("kubectl exec nginx -c istio-proxy -- pilot-agent request GET server_info", re.compile('"state": "LIVE"'))
    types("kubectl exec nginx -c istio-proxy -- pilot-agent request GET nowhere", re.compile("Error: "), code=1)

    print("0.4 one Service a version")
    types("kubectl apply -f -", ["service/helloworld-v1 created", "service/helloworld-v2 created"],
          stdin=service("v1") + "---\n" + service("v2"))
    stream = Stream(HELLO)

    print("0.5 a VirtualService over two Services")
    types("kubectl apply -f -", ["virtualservice.networking.istio.io/helloworld-vs created"], stdin=VS)
    time.sleep(1)
    split("weights 20 and 80", HELLO, 0.2)
    types("kubectl get vs helloworld-vs", re.compile(
        r'NAME +GATEWAYS +HOSTS +AGE\nhelloworld-vs +\["helloworld.default.svc.cluster.local"\] +\d+s'))

    print("0.6 the Gateway")
    types("kubectl apply -f -", ["gateway.networking.istio.io/helloworld-gateway created"], stdin=GW)
    types("kubectl apply -f -", ["virtualservice.networking.istio.io/helloworld-vs-w-gateway created"], stdin=VS_GATEWAY)
    until("the gateway answers", lambda: status_of(GATEWAY) == 200, 15)
    split("through the gateway, 70 and 30", GATEWAY, 0.7)
    _, out, _ = run("seine service -n istio-system istio-ingressgateway")  # its node port may have moved
    url = re.search(r"http2/80 +(http://127\.0\.0\.1:\d+)", out)
    code, out, err = run(f"for i in $(seq 50); do curl -sS -m 5 {url[1]}/hello; done") if url else (1, "", out)
    check("NodePort on the host's loopback", sum(shares(out)) == 50, out[-300:] + err[-300:])

    print("0.7 hosts and gateways")
    bare = VS_GATEWAY.replace("  gateways:\n  - helloworld-gateway\n", "").replace("helloworld-vs-w-gateway", "bare")
    types("kubectl apply -f -", ['Error from server: error when creating "STDIN": admission webhook '
                                 f'"validation.istio.io" denied the request: {WILDCARD}'], stdin=bare, code=1)
    types("kubectl apply -f -", re.compile(f'error when applying patch:(.|\n)*denied the request: {re.escape(WILDCARD)}'),
          stdin=bare.replace("name: bare", "name: helloworld-vs-w-gateway").replace("  http:", "  gateways: null\n  http:"), code=1)
    narrow = GW.replace('"*"', '"*.example.com"')
    types("kubectl apply -f -", ["gateway.networking.istio.io/helloworld-gateway configured"], stdin=narrow)
    for host, status in (("dev.example.com", 200), ("prod.example.com", 200), ("example.com", 404), ("newexample.com", 404)):
        types("kubectl apply -f -", ["virtualservice.networking.istio.io/helloworld-vs-w-gateway configured"],
              stdin=VS_GATEWAY.replace('"*"', f'"{host}"'))
        until(f"host {host} gets {status}", lambda: status_of(GATEWAY, f"-H 'Host: {host}'") == status, 15)

    stream.stop("from 0.4 to 0.7")

    print("0.8 clean up, then DestinationRule")
    types("kubectl delete vs helloworld-vs-w-gateway", re.compile(r'^virtualservice.networking.istio.io "helloworld-vs-w-gateway" deleted'))
    types("kubectl delete gw helloworld-gateway", re.compile(r'^gateway.networking.istio.io "helloworld-gateway" deleted'))
    types("kubectl delete svc helloworld-v1 helloworld-v2",
          re.compile(r'^service "helloworld-v1" deleted.*\nservice "helloworld-v2" deleted'))
    until("what was counted keeps the name of a Service that is gone", lambda: re.search(
        r'istio_requests_total\{.*destination_service="helloworld-v1\.default\.svc\.cluster\.local"',
        run("kubectl exec nginx -- curl -s localhost:15090/stats/prometheus")[1]) and "||helloworld-v1.default" not in run(
        "kubectl exec nginx -- curl -s localhost:15000/clusters")[1], 15)
    types("kubectl apply -f -", ["destinationrule.networking.istio.io/helloworld-dr created"], stdin=DR)
    types("kubectl apply -f -", re.compile(r"(?s)(?=.*helloworld-vs\b)(?=.*helloworld-vs-w-dr).*virtualservice.networking.istio.io/helloworld-vs-w-dr created"),
          stdin=VS_DR)
    until("the older VirtualService stands: 503", lambda: status_of(HELLO) == 503, 15)
    stands, _ = curls(20, HELLO)
    check("every request gets 503", stands.count("|503") == 20, stands)
    types("istioctl analyze", re.compile(r"(?s)(?=.*VirtualService default/helloworld-vs\b)(?=.*helloworld-vs-w-dr).*Analyzers found issues"), code=79)
    types("kubectl delete vs helloworld-vs", re.compile(r'^virtualservice.networking.istio.io "helloworld-vs" deleted'))
    until("traffic flows again", lambda: status_of(HELLO) == 200, 15)
    split("subsets 70 and 30", HELLO, 0.7)

    print("bad input")
    types("kubectl apply -f -", re.compile(r"weight 150 > 100"), stdin=VS.replace("weight: 20", "weight: 150").replace("helloworld-vs", "heavy"), code=1)
    types("kubectl apply -f -", re.compile(r'unknown field "spec.htp"'), stdin=VS.replace("http:", "htp:").replace("helloworld-vs", "typo"), code=1)
    types("kubectl apply -f -", re.compile(r"no matches for kind|resource mapping not found"), stdin=VS.replace("kind: VirtualService", "kind: VirtualServce"), code=1)
    types("kubectl apply -f -", re.compile(r"error"), stdin="apiVersion: v1\nkind: [", code=1)
    types("kubectl get vs -o name", ["virtualservice.networking.istio.io/helloworld-vs-w-dr"])
    types("kubectl run nobody --image=nobody/knows-this:1", ["pod/nobody created"])
    until("an unknown image: ImagePullBackOff", lambda: "ImagePull" in run("kubectl get pod nobody")[1], 30)
    types("kubectl describe pod nobody", re.compile(r"images\.yaml|register"))
    types("kubectl logs nobody", re.compile("is waiting to start: (image can't be pulled|trying and failing to pull image)"), code=1)
    types("kubectl delete pod nobody --now", re.compile('pod "nobody" deleted'))
    types("kubectl run typo --image=busybox --restart=Never -- /no/such", ["pod/typo created"])
    until("a program that is not there", lambda: "exec: \"/no/such\"" in run("kubectl describe pod typo")[1], 30)
    time.sleep(1)
    check("nothing else is told of it", "runs already" not in run("kubectl describe pod typo")[1])
    types("kubectl delete pod typo --now", re.compile('pod "typo" deleted'))
    types("kubectl cordon seine", ["node/seine cordoned"])
    types("kubectl run waits --image=nginx", ["pod/waits created"])
    until("a cordoned node takes no pod", lambda: "were unschedulable" in run("kubectl describe pod waits")[1], 30)
    types("kubectl uncordon seine", ["node/seine uncordoned"])
    types("kubectl wait --for=condition=Ready pod/waits --timeout=60s", ["pod/waits condition met"])
    types("kubectl delete pod waits --now", re.compile('pod "waits" deleted'))
    types("kubectl create job idle --image=busybox", re.compile("Job is stored, but nothing acts on it"))
    types("kubectl delete job idle", re.compile("deleted"))

    print("who may call")
    policy = ("{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: viewers}, spec: {selector: {matchLabels: "
              "{app: helloworld}}, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/NAME]}}], to: [{operation: {methods: [GET]}}]}]}}")
    types("kubectl apply -f -", ["authorizationpolicy.security.istio.io/viewers created"], stdin=policy.replace("NAME", "another"))
    until("nobody else may", lambda: status_of(HELLO) == 403, 15)
    types("kubectl apply -f -", ["authorizationpolicy.security.istio.io/viewers configured"], stdin=policy.replace("NAME", "default"))
    until("nginx may, by its certificate", lambda: status_of(HELLO) == 200, 15)
    check("but not POST", status_of(HELLO, "-X POST") == 403)
    types("kubectl apply -f -", re.compile(r"Warning: RequestAuthentication default/keyless, spec.jwtRules\[0\].jwks: .*valid public key"), code=1,
          stdin="{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: keyless}, spec: {jwtRules: [{issuer: me, jwks: "
                "'{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\"}]}'}]}}")
    types("kubectl delete authorizationpolicy viewers", re.compile("deleted"))
    until("anybody may again", lambda: status_of(HELLO, "-X POST") != 403, 15)

    print("TCP goes through the mesh too")
    types("kubectl apply -f -", ["service/bytes created", "peerauthentication.security.istio.io/strict created"], stdin="""
{apiVersion: v1, kind: Service, metadata: {name: bytes}, spec: {selector: {app: helloworld}, ports: [{name: tcp-any, port: 9000, targetPort: 5000}]}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: strict}, spec: {mtls: {mode: STRICT}}}""")

    def by_its_cluster():
        clusters = run("kubectl exec nginx -- curl -s localhost:15000/clusters")[1]
        return re.search(r"outbound\|9000\|\|bytes\.default\.svc\.cluster\.local::\S+::cx_total::[1-9]", clusters)
    until("by a listener of the Service's own, under mutual TLS", lambda: status_of("http://bytes:9000/hello") == 200 and by_its_cluster(), 15)
    types("kubectl delete svc/bytes peerauthentication/strict", re.compile("deleted"))

    print("istioctl")
    types("istioctl proxy-status deploy/helloworld-v1", re.compile(r"^Clusters Match\nListeners Match\nRoutes Match"))
    types("istioctl version --remote=false", [(ROOT / "VERSION").read_text().strip()])
    types("istioctl proxy-status", re.compile(r"^NAME +CLUSTER +CDS +LDS +EDS +RDS +ECDS +ISTIOD +VERSION\n(.*\n)*helloworld-v1-\S+\.default +Kubernetes +SYNCED +SYNCED +SYNCED +SYNCED"))
    types("istioctl install --set profile=default -y", re.compile(
        "✔ Istio core installed.*\n✔ Istiod installed.*\n✔ Ingress gateways installed.*\n✔ Installation complete"))

    types("kubectl auth can-i get secrets -n istio-system --as=system:serviceaccount:default:default", ["no"], code=1)
    types("kubectl get secrets -n istio-system --as=system:serviceaccount:default:default",
          re.compile(r'^Error from server \(Forbidden\): secrets is forbidden: User "system:serviceaccount:default:default" cannot list'), code=1)
    types("istioctl analyze", ["✔ No validation issues found when analyzing namespace: default."])
    istiod = "http://istiod.istio-system:15014"
    until("the mesh's insides are not for pods", lambda: status_of(f"{istiod}/debug/configz") == 401)
    until("metrics are", lambda: status_of(f"{istiod}/metrics", "-o /dev/null") == 200)
    types("kubectl apply -f -", re.compile("EnvoyFilter is stored, but Seine does not act on it yet"),
          stdin="{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: idle}, spec: {configPatches: []}}")
    types("istioctl analyze", re.compile("EnvoyFilter is stored, but Seine does not act on it yet"))
    types("kubectl delete envoyfilter idle", re.compile("deleted"))
    types("istioctl instal", re.compile(r'^Error: unknown command "instal"(.|\n)*Did you mean this\?\n\tinstall\n'), code=1)
    types("istioctl install --set profil=demo -y", re.compile('^Error: --set profil=demo: .*did you mean "profile"\\?'), code=1)
    types("istioctl install --set profile=demo -y", re.compile("✔ Egress gateways installed\n✔ Ingress gateways installed\n"))
    types("kubectl get pods -n istio-system -l istio=egressgateway", re.compile("istio-egressgateway-.* 1/1 +Running"))
    status_of(HELLO)
    until("access is logged", lambda: status_of(HELLO) == 200 and '"GET /hello HTTP/1.1" 200' in run("kubectl logs nginx -c istio-proxy --tail=20")[1], 30)
    types("istioctl install -y", re.compile(r"Removed Service istio-system/istio-egressgateway\."))
    types("istioctl uninstall -y", re.compile(r"^Error: at least one of the --revision \(or --set revision=<revision>\), --filename or --purge"), code=1)
    types("istioctl uninstall --revision canary -y", re.compile("^Error: could not find target revision canary"), code=1)
    # A mesh installed anew has another root, and no rules: running sidecars find their way into it.
    types("istioctl uninstall --purge -y", re.compile(r"removed|Uninstall", re.I))
    types("istioctl install --set profile=default -y", re.compile("✔ Installation complete"))
    until("sidecars join the new mesh", lambda: all(
        re.search(pod + r"[-a-z0-9]*\.default +Kubernetes +SYNCED", run("istioctl proxy-status")[1])
        for pod in ("nginx", "helloworld-v1", "helloworld-v2")), 30)
    until("and take certificates of the new root", lambda: all(status_of(HELLO) == 200 for _ in range(10)), 30)
    split("through the new mesh", HELLO, 0.5)

    print("clean up")
    run("kubectl delete pod nginx --now; kubectl delete -f samples/helloworld/helloworld.yaml; kubectl delete vs,dr,gw --all;"
        "kubectl label ns default istio-injection-", timeout=120)
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
