# SPDX-License-Identifier: Apache-2.0
"""What the interop tests share: checks, waiting, processes that end with the test, requests on loopback."""
import atexit
import http.client
import math
import socket
import subprocess
import sys
import time

passed = failed = 0


def check(what, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print(f"  ok    {what}", flush=True)
    else:
        failed += 1
        print(f"  FAIL  {what}\n        {str(detail).strip()[:2000]}", flush=True)
    return bool(good)


def finish():
    print(f"\n{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def until(probe, seconds=15):
    """The probe's first true value, or its last."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = probe()
        except OSError as error:
            value, failure = None, error
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)


def start(command, log, **options):
    process = subprocess.Popen(command, stdout=open(log, "w"), stderr=subprocess.STDOUT, **options)
    atexit.register(lambda: (process.kill(), process.wait()))
    return process


def free_port(address="127.0.0.1"):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def get(port, path="/", host=None, address="127.0.0.1", headers=None, method="GET"):
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request(method, path, headers={**({"Host": host} if host else {}), **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def within(count, total, share):
    """Five standard deviations of a binomial share."""
    return abs(count - total * share) <= 5 * math.sqrt(total * share * (1 - share))


def connects(port, address="127.0.0.1"):
    with socket.create_connection((address, port), 2):
        return True


def make_certificate(directory):
    """cert.pem and key.pem for localhost, signed by itself, whatever the machine's openssl.cnf says."""
    (directory / "openssl.cnf").write_text("[req]\ndistinguished_name = name\nx509_extensions = ca\nprompt = no\n[name]\nCN = localhost\n[ca]\n"
                                           "basicConstraints = critical,CA:TRUE\nsubjectAltName = DNS:localhost,IP:127.0.0.1\n")
    subprocess.run(["openssl", "req", "-x509", "-config", directory / "openssl.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"], check=True, capture_output=True)
