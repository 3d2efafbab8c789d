# SPDX-License-Identifier: Apache-2.0
"""The clients: exact bytes over HTTP/1.1 or plain TCP, and HTTP/2 by the h2 library with its own checks turned off."""
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from backend import Broken, Reader


def connect(port, tls, patience):
    """tls: None, or a dict of sni, alpn, certificate."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=patience)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None:
        return sock
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls.get("alpn"):
        context.set_alpn_protocols(tls["alpn"])
    if tls.get("certificate"):
        context.load_cert_chain(tls["certificate"].chain, tls["certificate"].key)
    if tls.get("max_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.maximum_version = tls["max_version"]
    return context.wrap_socket(sock, server_hostname=tls.get("sni"))


def response_of(reader, method):
    """One response, interim ones included; a body that ends with the connection counts."""
    interim = []
    while True:
        lines = reader.until(b"\r\n\r\n")[:-4].split(b"\r\n")
        version, status, *reason = lines[0].decode("latin-1").split(" ", 2)
        headers = [(n.decode("latin-1"), v.strip().decode("latin-1")) for n, _, v in (line.partition(b":") for line in lines[1:])]
        if int(status) >= 200 or status == "101":
            break
        interim.append({"status": int(status), "headers": headers})
    out = {"version": version, "status": int(status), "reason": " ".join(reason), "headers": headers, "body": "", "trailers": [], "end": "whole"}
    if interim:
        out["interim"] = interim
    fields = {n.lower(): v for n, v in headers}
    if method == "HEAD" or int(status) in (204, 304, 101) or (method == "CONNECT" and int(status) == 200):
        return out
    body = b""
    try:
        if "chunked" in fields.get("transfer-encoding", ""):
            while True:
                size = int(reader.until(b"\r\n").split(b";")[0], 16)
                if not size:
                    out["trailers"] = reader.fields()
                    break
                body += reader.exactly(size)
                reader.exactly(2)
        elif "content-length" in fields:
            size = int(fields["content-length"])
            while len(reader.held) < size:
                reader.more()
            body = reader.exactly(size)
        else:
            while True:
                reader.more()
    except (Broken, ConnectionError):
        if "content-length" in fields or "transfer-encoding" in fields:
            out["end"] = "cut"
        else:
            out["end"] = "closed"
        body, reader.held = body + reader.held, b""
    out["body"] = body.decode("latin-1")
    return out


def ask_h1(case, port):
    out = {"responses": [], "end": ""}
    try:
        sock = connect(port, case.tls, case.patience)
    except (ssl.SSLError, ConnectionError) as error:
        return {"responses": [], "end": "refused by TLS" if isinstance(error, ssl.SSLError) else "refused"}
    if case.tls is not None:
        out["tls"] = {"alpn": sock.selected_alpn_protocol() or "", "version": sock.version()}
    reader = Reader(sock)
    try:
        parts = case.send if isinstance(case.send, list) else [case.send]
        methods = []
        for part in parts:
            if isinstance(part, float):
                time.sleep(part)
            elif part == "response":
                out["responses"].append(response_of(reader, case.method))
            elif isinstance(part, tuple):  # ("bytes", N): what comes after an upgrade
                out.setdefault("after", []).append(reader.exactly(part[1]).decode("latin-1"))
            else:
                try:
                    sock.sendall(part)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it may have answered already
                methods.append(part.split(b" ", 1)[0].decode("latin-1"))
        for index in range(case.responses):
            out["responses"].append(response_of(reader, case.method or (methods[min(index, len(methods) - 1)] if methods else "GET")))
        if case.shut:
            sock.shutdown(socket.SHUT_WR)
        if case.until_close:
            while True:
                reader.more()
    except Broken:
        out["end"] = "closed"
    except (ConnectionResetError, ssl.SSLError):
        out["end"] = "reset"
    except TimeoutError:
        out["end"] = "timeout"
    except (ValueError, UnicodeDecodeError) as error:
        out["end"] = f"not HTTP: {error}"
    if reader.held:
        out["rest"] = reader.held.decode("latin-1")
    sock.close()
    if out["end"] == "reset" and case.responses == 0:
        out["end"] = "closed"
    return out


def ask_tcp(case, port):
    """Sends everything, then reads until the peer closes; or until it has the bytes wanted."""
    try:
        sock = connect(port, case.tls, case.patience)
    except (ssl.SSLError, ConnectionError):
        return {"end": "refused"}
    out, got = {"end": ""}, b""
    if case.tls is not None:
        out["tls"] = {"alpn": sock.selected_alpn_protocol() or "", "version": sock.version()}
    try:
        sock.sendall(case.send)
        while len(got) < case.bytes:
            part = sock.recv(65536)
            if not part:
                out["end"] = "closed"
                break
            got += part
        if not out["end"] and case.tls is None:
            sock.shutdown(socket.SHUT_WR)
            while part := sock.recv(65536):
                got += part
            out["end"] = "closed"
    except ConnectionResetError:
        out["end"] = "closed"
    except TimeoutError:
        out["end"] = "timeout"
    sock.close()
    out["bytes"] = got.decode("latin-1")
    return out


def ask_h2(case, port):
    """case.h2: a list of streams, each a dict of headers (pairs), body, trailers, more (a function of the connection and stream)."""
    try:
        sock = connect(port, case.tls, case.patience)
    except (ssl.SSLError, ConnectionError):
        return {"responses": [], "end": "refused by TLS"}
    connection = h2.connection.H2Connection(h2.config.H2Configuration(
        client_side=True, header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False,
        validate_inbound_headers=False))
    connection.initiate_connection()
    streams, wanted = {}, set()
    try:
        for stream in case.h2:
            number = connection.get_next_available_stream_id()
            streams[number] = {"status": 0, "headers": [], "body": "", "trailers": [], "end": "none"}
            wanted.add(number)
            body, trailers = stream.get("body"), stream.get("trailers")
            connection.send_headers(number, stream["headers"], end_stream=body is None and not trailers)
            if body is not None:
                connection.send_data(number, body, end_stream=not trailers)
            if trailers:
                connection.send_headers(number, trailers, end_stream=True)
        if case.then:
            case.then(connection)
        sock.sendall(connection.data_to_send())
        end = ""
        while wanted and not end:
            data = sock.recv(65536)
            if not data:
                end = "closed"
                break
            for event in connection.receive_data(data):
                number = getattr(event, "stream_id", None)
                stream = streams.get(number)
                if isinstance(event, h2.events.InformationalResponseReceived):
                    stream.setdefault("interim", []).append({"headers": event.headers})
                elif isinstance(event, h2.events.ResponseReceived):
                    stream["status"] = int(dict(event.headers)[":status"])
                    stream["headers"] = [pair for pair in event.headers if pair[0] != ":status"]
                elif isinstance(event, h2.events.DataReceived):
                    stream["body"] += event.data.decode("latin-1")
                    connection.acknowledge_received_data(event.flow_controlled_length, number)
                elif isinstance(event, h2.events.TrailersReceived):
                    stream["trailers"] = event.headers
                elif isinstance(event, h2.events.StreamEnded):
                    stream["end"] = "whole"
                    wanted.discard(number)
                elif isinstance(event, h2.events.StreamReset):
                    if stream["end"] == "none":
                        stream["end"] = f"reset {int(event.error_code)}"
                    wanted.discard(number)
                elif isinstance(event, h2.events.ConnectionTerminated):
                    end = f"goaway {int(event.error_code)}"
            sock.sendall(connection.data_to_send())
    except ConnectionError:
        end = "closed"
    except TimeoutError:
        end = "timeout"
    except h2.exceptions.ProtocolError as error:
        end = f"not HTTP/2: {error}"
    sock.close()
    return {"responses": [streams[number] for number in sorted(streams)], "end": end}


def ask(case, port):
    if case.h2 is not None:
        return ask_h2(case, port)
    if case.bytes is not None:
        return ask_tcp(case, port)
    return ask_h1(case, port)
