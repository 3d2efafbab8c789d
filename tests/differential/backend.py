# SPDX-License-Identifier: Apache-2.0
"""The upstreams of one proxy: every port writes down, byte by byte, what it was asked.

What a backend answers is said by the request header `x-do`, a list of words separated by ";":
  status N        that status
  fail N S KEY    status S for the first N requests with this KEY, then as usual
  sleep SECONDS   before answering
  close, reset    hang up, or reset, instead of answering
  early           answer without reading the body
  raw NAME        the bytes RAW[NAME], then hang up unless the name ends with "+"
  header N=V      one more response header
  body TEXT       that body
  trailers        HTTP/2: end with the trailer x-trailer: t
"""
import socket
import ssl
import struct
import threading
import time

import h2.config
import h2.connection
import h2.events

RAW = {}


class Broken(Exception):
    pass


class Reader:
    """Bytes off a socket by line and by count."""

    def __init__(self, sock, already=b""):
        self.sock, self.held = sock, already

    def more(self):
        part = self.sock.recv(65536)
        if not part:
            raise Broken("closed")
        self.held += part

    def until(self, mark):
        while mark not in self.held:
            self.more()
        at = self.held.index(mark) + len(mark)
        out, self.held = self.held[:at], self.held[at:]
        return out

    def exactly(self, count):
        while len(self.held) < count:
            self.more()
        out, self.held = self.held[:count], self.held[count:]
        return out

    def chunked(self):
        """(body, trailers)"""
        body = b""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0].strip(), 16)
            if not size:
                return body, self.fields()
            body += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Broken("a chunk that does not end")

    def fields(self):
        out = []
        while (line := self.until(b"\r\n")) != b"\r\n":
            name, _, value = line[:-2].partition(b":")
            out.append((name.decode("latin-1"), value.strip().decode("latin-1")))
        return out


class Backends:
    """names: "a", "b", ... speak HTTP/1.1 and, when asked to, HTTP/2; "tcp..." greet and echo; "tls..." do as "a" over TLS."""

    def __init__(self, names, certificate=None):
        self.ports, self.seen, self.counts, self.lock = {}, [], {}, threading.Lock()
        self.tunnels = 0
        self.sockets = []
        for name in names:
            listening = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.ports[name] = listening.getsockname()[1]
            self.sockets.append(listening)
            tls = None
            if name.startswith("tls"):
                tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                tls.load_cert_chain(certificate.chain, certificate.key)
                tls.set_alpn_protocols(["h2", "http/1.1"])
            threading.Thread(target=self.accept, args=(listening, name, tls), daemon=True).start()

    def close(self):
        for listening in self.sockets:
            listening.close()

    def take(self):
        """What was seen since the last time, once the tunnels have ended."""
        end = time.monotonic() + 2
        while True:
            with self.lock:
                if not self.tunnels or time.monotonic() > end:
                    out, self.seen = self.seen, []
                    return out
            time.sleep(0.005)

    def accept(self, listening, name, tls):
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock, name, tls), daemon=True).start()

    def serve(self, sock, name, tls):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sni = []
            if tls:
                tls.sni_callback = lambda _, server_name, __: sni.append(server_name)
                sock = tls.wrap_socket(sock, server_side=True)
            if name.startswith("tcp"):
                return self.serve_tcp(sock, name)
            reader = Reader(sock)
            preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            while len(reader.held) < len(preface) and preface.startswith(reader.held):
                reader.more()
            about = {"sni": sni[0]} if sni else {}
            if reader.held.startswith(preface):
                self.serve_h2(sock, reader, name, about)
            else:
                self.serve_h1(sock, reader, name, about)
        except (OSError, Broken, ValueError):
            pass
        finally:
            sock.close()

    def serve_tcp(self, sock, name):
        with self.lock:
            self.tunnels += 1
        try:
            sock.sendall(f"hello from {name}\n".encode())
            everything = b""
            while part := sock.recv(65536):
                everything += part
                sock.sendall(part)
            with self.lock:
                self.seen.append({"backend": name, "bytes": everything.decode("latin-1")})
        finally:
            with self.lock:
                self.tunnels -= 1

    def serve_h1(self, sock, reader, name, about):
        while True:
            lines = reader.until(b"\r\n\r\n")[:-4].split(b"\r\n")
            method, target, version = (word.decode("latin-1") for word in lines[0].split(b" ", 2))
            headers = [(n.decode("latin-1"), v.strip().decode("latin-1")) for n, _, v in (line.partition(b":") for line in lines[1:])]
            fields = {n.lower(): v for n, v in headers}
            seen = {"backend": name, "method": method, "target": target, "version": version, "headers": headers, **about}
            what = plan(fields)
            if fields.get("expect", "").lower() == "100-continue":
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if "early" not in what:
                body, trailers = b"", []
                if "chunked" in fields.get("transfer-encoding", ""):
                    body, trailers = reader.chunked()
                elif "content-length" in fields:
                    body = reader.exactly(int(fields["content-length"]))
                seen |= {"body": body.decode("latin-1"), "trailers": trailers}
            with self.lock:
                self.seen.append(seen)
            status, more, text = self.decide(what, name)
            if "reset" in what:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if "close" in what or "reset" in what:
                return
            if "raw" in what:
                sock.sendall(RAW[what["raw"]])
                if not what["raw"].endswith("+"):
                    return
                continue
            if "upgrade" in fields and status == 200:
                sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: " + fields["upgrade"].encode() + b"\r\n\r\n")
                return self.serve_tcp(sock, name)
            bodyless = status in (204, 304) or status < 200
            head = f"HTTP/1.1 {status} Word\r\n" + "".join(f"{n}: {v}\r\n" for n, v in more)
            if not bodyless:
                head += f"content-length: {len(text)}\r\n"
            sock.sendall((head + "\r\n" + ("" if bodyless or method == "HEAD" else text)).encode("latin-1"))

    def decide(self, what, name):
        """(status, more headers, body)"""
        if "sleep" in what:
            time.sleep(float(what["sleep"]))
        status = int(what.get("status", 200))
        if "fail" in what:
            times, failure, key = what["fail"].split()
            with self.lock:
                count = self.counts[key] = self.counts.get(key, 0) + 1
            if count <= int(times):
                status = int(failure)
        return status, [tuple(pair.split("=", 1)) for pair in what["header"]], what.get("body", f"from {name}\n")

    def serve_h2(self, sock, reader, name, about):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1",
                                                                          validate_inbound_headers=False, validate_outbound_headers=False,
                                                                          normalize_outbound_headers=False))
        connection.initiate_connection()
        sock.sendall(connection.data_to_send())
        streams, data = {}, reader.held
        while True:
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    streams[event.stream_id] = {"headers": event.headers, "body": b"", "trailers": []}
                elif isinstance(event, h2.events.DataReceived):
                    streams[event.stream_id]["body"] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived):
                    streams[event.stream_id]["trailers"] = event.headers
                elif isinstance(event, h2.events.StreamEnded):
                    self.answer_h2(connection, event.stream_id, streams.pop(event.stream_id), name, about)
                elif isinstance(event, h2.events.ConnectionTerminated):
                    return
            sock.sendall(connection.data_to_send())
            data = sock.recv(65536)
            if not data:
                return

    def answer_h2(self, connection, stream, got, name, about):
        fields = dict(got["headers"])
        what = plan(fields)
        with self.lock:
            self.seen.append({"backend": name, "method": fields[":method"], "target": fields.get(":path", ""), "version": "HTTP/2",
                              "headers": [(n, v) for n, v in got["headers"] if n not in (":method", ":path")],
                              "body": got["body"].decode("latin-1"), "trailers": got["trailers"], **about})
        status, more, text = self.decide(what, name)
        if "reset" in what or "close" in what:
            return connection.reset_stream(stream, error_code=int(what.get("reset") or 2))
        connection.send_headers(stream, [(":status", str(status)), *more])
        connection.send_data(stream, text.encode("latin-1"), end_stream="trailers" not in what)
        if "trailers" in what:
            connection.send_headers(stream, [("x-trailer", "t")], end_stream=True)


def plan(fields):
    out = {"header": []}
    for word in fields.get("x-do", "").split(";"):
        key, _, value = word.strip().partition(" ")
        if key == "header":
            out["header"].append(value)
        elif key:
            out[key] = value
    return out
