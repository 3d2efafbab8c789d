# SPDX-License-Identifier: Apache-2.0
"""The gRPC service that the tests' clients call: /echo.Echo/*, messages are plain bytes. Needs grpcio."""
import concurrent.futures
import threading
import time

import grpc


class Echo(grpc.GenericRpcHandler):
    """What its methods do stands beside them; `seen` holds what "Wait" saw, by its request."""

    def __init__(self):
        self.seen = {}
        self.lock = threading.Lock()

    def service(self, details):
        name = details.method.rsplit("/", 1)[1]
        make = {
            "Unary": grpc.unary_unary_rpc_method_handler, "Sized": grpc.unary_unary_rpc_method_handler,
            "Fail": grpc.unary_unary_rpc_method_handler, "Wait": grpc.unary_unary_rpc_method_handler,
            "Collect": grpc.stream_unary_rpc_method_handler, "Expand": grpc.unary_stream_rpc_method_handler,
            "FailLate": grpc.unary_stream_rpc_method_handler, "Tick": grpc.unary_stream_rpc_method_handler,
            "Chat": grpc.stream_stream_rpc_method_handler,
        }.get(name)
        return make and make(getattr(self, name.lower()))

    def unary(self, request, context):
        """The request again; its metadata x-there* comes back before, x-trail-bin behind."""
        told = context.invocation_metadata()
        context.send_initial_metadata([(name, value) for name, value in told if name.startswith("x-there")])
        context.set_trailing_metadata([("x-trail-bin", b"\x00\x01\xff")])
        return request

    def sized(self, request, context):
        """As many bytes as the request says."""
        return b"x" * int(request)

    def fail(self, request, context):
        """The status that the request says, and nothing else."""
        context.abort(next(c for c in grpc.StatusCode if c.value[0] == int(request)), "détail 100%\n")

    def faillate(self, request, context):
        yield b"one"
        context.abort(next(c for c in grpc.StatusCode if c.value[0] == int(request)), "late")

    def wait(self, request, context):
        """Until the call is given up: tells in `seen` how long it had, and how long that took."""
        began, given_up = time.monotonic(), threading.Event()
        left = context.time_remaining()
        context.add_callback(given_up.set)
        given_up.wait(20)
        with self.lock:
            self.seen[request] = (left, time.monotonic() - began)
        return b""

    def collect(self, requests, context):
        sizes = [len(one) for one in requests]
        return b"%d %d" % (len(sizes), sum(sizes))

    def expand(self, request, context):
        count, size = map(int, request.split())
        for _ in range(count):
            yield b"y" * size

    def tick(self, request, context):
        """A small message each half second, as often as the request says."""
        for _ in range(int(request)):
            time.sleep(0.5)
            yield b"tick"

    def chat(self, requests, context):
        for one in requests:
            yield one


def serve(key_and_certificate=None, **options):
    """An Echo server on a port of its own: (server, port, echo)."""
    echo = Echo()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), handlers=[echo],
                         options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0), *options.items()])
    if key_and_certificate:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([key_and_certificate]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port, echo


class Client:
    """The same service's client; each method takes and gives bytes."""

    def __init__(self, address, roots=None, options=()):
        options = [("grpc.max_receive_message_length", -1), ("grpc.ssl_target_name_override", "localhost"),
                   ("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(roots), options) if roots else \
            grpc.insecure_channel(address, options)
        for name, kind in {"unary": "unary_unary", "sized": "unary_unary", "fail": "unary_unary", "wait": "unary_unary",
                           "collect": "stream_unary", "expand": "unary_stream", "fail_late": "unary_stream",
                           "tick": "unary_stream", "chat": "stream_stream", "nothing": "unary_unary"}.items():
            path = "/echo.Echo/" + "".join(part.capitalize() for part in name.split("_"))
            setattr(self, name, getattr(self.channel, kind)(path))

    def close(self):
        self.channel.close()
