# SPDX-License-Identifier: Apache-2.0
"""The secrets `default` and `ROOTCA` for an Envoy without Istio's agent: a throwaway certificate, over a Unix socket."""
import os
import pathlib
import subprocess
import sys
import threading
from concurrent import futures

import grpc
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


def secrets(folder, uri):
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/O=cluster.local", "-addext", f"subjectAltName=URI:{uri}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    own = secret_pb2.Secret(name="default")
    own.tls_certificate.certificate_chain.inline_bytes = certificate.read_bytes()
    own.tls_certificate.private_key.inline_bytes = key.read_bytes()
    root = secret_pb2.Secret(name="ROOTCA")
    root.validation_context.trusted_ca.inline_bytes = certificate.read_bytes()
    return {"default": own, "ROOTCA": root}


class Sds(sds_pb2_grpc.SecretDiscoveryServiceServicer):
    def __init__(self, folder, uri):
        self.secrets = secrets(folder, uri)

    def StreamSecrets(self, requests, _):
        for number, request in enumerate(requests):
            if request.response_nonce:
                continue
            response = discovery_pb2.DiscoveryResponse(version_info="1", type_url=URL, nonce=str(number + 1))
            for name in request.resource_names:
                if name in self.secrets:
                    response.resources.add().Pack(self.secrets[name])
            yield response

    def DeltaSecrets(self, requests, _):
        for number, request in enumerate(requests):
            if not request.resource_names_subscribe:
                continue
            response = discovery_pb2.DeltaDiscoveryResponse(system_version_info="1", type_url=URL, nonce=str(number + 1))
            for name in request.resource_names_subscribe:
                if name in self.secrets:
                    resource = response.resources.add(name=name, version="1")
                    resource.resource.Pack(self.secrets[name])
            yield response


if __name__ == "__main__":
    socket, identity = sys.argv[1:3]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
    sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(Sds(pathlib.Path(socket).parent, identity), server)
    os.umask(0)  # Envoy runs as another user
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    threading.Event().wait()
