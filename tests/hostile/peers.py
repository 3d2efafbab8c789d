# SPDX-License-Identifier: Apache-2.0
"""What the hostile tests share: a proxy to attack, a backend that keeps what it gets, raw sockets and HTTP/2 frames."""
import atexit
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time

passed = failed = 0


def check(what, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print(f"  ok    {what}", flush=True)
    else:
        failed += 1
        print(f"  FAIL  {what}\n        {str(detail).strip()[:1000]}", flush=True)
    return bool(good)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(probe, seconds=10):
    end = time.monotonic() + seconds
    while True:
        try:
            value = probe()
        except OSError:
            value = None
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)


class Backend:
    """Answers 200 to each request whose head it understands, and keeps the heads."""

    def __init__(self):
        self.seen = []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        bytes_ = b""
        try:
            while True:
                while b"\r\n\r\n" not in bytes_:
                    more = peer.recv(65536)
                    if not more:
                        return
                    bytes_ += more
                head, bytes_ = bytes_.split(b"\r\n\r\n", 1)
                self.seen.append(head)
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                if b"transfer-encoding: chunked" in head.lower():
                    while not bytes_.endswith(b"0\r\n\r\n"):
                        more = peer.recv(65536)
                        if not more:
                            return
                        bytes_ += more
                    bytes_ = b""
                while len(bytes_) < length:
                    more = peer.recv(65536)
                    if not more:
                        return
                    bytes_ += more
                bytes_ = bytes_[length:]
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        except OSError:
            pass
        finally:
            peer.close()


class Proxy:
    """seine-proxy with a bootstrap's text; `port` serves it."""

    def __init__(self, binary, bootstrap, port, directory, descriptors=None, arguments=(), hot=False):
        self.port = port
        path = pathlib.Path(directory) / f"bootstrap-{port}.yaml"
        path.write_text(bootstrap)
        limit = (lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None
        self.log = pathlib.Path(directory) / f"proxy-{port}.log"
        self.process = subprocess.Popen([binary, "-c", str(path), "--concurrency", "2" if hot else "1", *([] if hot else ["-l", "warn", "--disable-hot-restart"]), *arguments],
                                        stdout=open(self.log, "w"), stderr=subprocess.STDOUT, preexec_fn=limit)
        atexit.register(self.stop)
        if not until(lambda: socket.create_connection(("127.0.0.1", port), 1)):
            raise SystemExit(f"the proxy does not listen: {self.log.read_text()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def alive(self):
        return self.process.poll() is None

    def memory(self):
        """Resident, in bytes."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self, timeout=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def serves(self, path="/"):
        """The status of a plain request, or None."""
        try:
            with self.connect() as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
                return status_of(read_all(s))
        except OSError:
            return None


def read_all(s, seconds=10):
    """What comes until the peer's end, or the time is up; and whether it ended is s's own affair."""
    s.settimeout(seconds)
    out = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                break
            out += more
    except (socket.timeout, ConnectionError):
        pass
    return out


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


def closes(s, seconds=10):
    """Whether the peer ends the connection in time."""
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except (socket.timeout, TimeoutError):
        return False
    except OSError:
        return True


# --- HTTP/2 (RFC 9113) ---------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
# :method GET, :path /, :scheme http from the static table, :authority a written out
GET = bytes([0x82, 0x84, 0x86, 0x01, 0x01]) + b"a"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field that enters the dynamic table."""
    def text(value):
        size = len(value)
        if size < 127:
            return bytes([size]) + value
        out, size = bytes([127]), size - 127
        while size >= 128:
            out += bytes([size % 128 + 128])
            size //= 128
        return out + bytes([size]) + value
    return b"\x40" + text(name) + text(value)


class Http2:
    def __init__(self, proxy, settings=b""):
        self.socket = proxy.connect()
        self.socket.sendall(PREFACE + frame(SETTINGS, payload=settings))
        self.gone = False

    def send(self, data):
        """False once the proxy does not take any more."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            self.gone = True
            return False

    def frames(self, seconds=5):
        """(kind, flags, stream, payload) of what comes until the end or for so long."""
        data = read_all(self.socket, seconds)
        out, at = [], 0
        while at + 9 <= len(data):
            size = int.from_bytes(data[at:at + 3], "big")
            out.append((data[at + 3], data[at + 4], int.from_bytes(data[at + 5:at + 9], "big"), data[at + 9:at + 9 + size]))
            at += 9 + size
        return out

    def refused(self, seconds=10):
        """Whether the connection is ended by the proxy in time."""
        return self.gone or closes(self.socket, seconds)


def tls_client():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
