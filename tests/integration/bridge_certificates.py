# SPDX-License-Identifier: Apache-2.0
"""Certificates for tally-bridge and its clients."""

import os
import ssl

import grpc

from tests.image.certificates import Certificate

from .external_scaler import Scaler


class Shop:
    """An authority, a server's certificate in a folder, clients of all kinds."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.authority = Certificate("test authority", ca=True)
        self.clients = Certificate("client authority", ca=True)
        self.certificate = os.path.join(self.folder, "tls.pem")
        self.renew()
        self.client_ca = os.path.join(self.folder, "client-ca.pem")
        with open(self.client_ca, "w", encoding="ascii") as file:
            file.write(self.clients.pem())

    def renew(self):
        made = Certificate("localhost", self.authority).write(self.folder)
        os.replace(made, self.certificate)

    def options(self, *more):
        return ["--tls-cert", self.certificate, "--tls-key", self.certificate, *more]

    def client(self, issuer=None):
        """(key, chain) of a client's certificate, as bytes."""
        path = Certificate("client", issuer or self.clients).write(self.folder)
        with open(path, "rb") as file:
            data = file.read()
        at = data.index(b"-----BEGIN CERTIFICATE")
        return data[:at], data[at:]

    def context(self, client=None, protocols=(), **settings):
        context = ssl.create_default_context(cadata=self.authority.pem())
        for name, value in settings.items():
            setattr(context, name, value)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if client is not None:
            path = os.path.join(self.folder, "client.pem")
            with open(path, "wb") as file:
                file.write(client[0] + client[1])
            context.load_cert_chain(path)
        return context

    def scaler(self, bridge, client=(None, None)):
        credentials = grpc.ssl_channel_credentials(self.authority.pem().encode(), *client)
        return Scaler(grpc.secure_channel(
            bridge.address, credentials, options=[
                ("grpc.ssl_target_name_override", "localhost"),
                ("grpc.use_local_subchannel_pool", 1)]))
