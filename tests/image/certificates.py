# SPDX-License-Identifier: Apache-2.0
"""Valid and invalid certificates, for servers that a TLS client must accept or refuse."""

import datetime
import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
DIGESTS = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384,
           "sha512": hashes.SHA512}


def new_key(kind):
    """ "ec256", "ec384", "rsa1024", "rsa2048", …"""
    if kind.startswith("ec"):
        return ec.generate_private_key({"256": ec.SECP256R1, "384": ec.SECP384R1}[kind[2:]]())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:]))


class Certificate:
    """A certificate with its key. `issuer`: the Certificate that signs it, or None for a root."""

    def __init__(self, name, issuer=None, key="ec256", digest="sha256", ca=False):
        self.issuer = issuer
        self.key = new_key(key)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(self.name)
                   .issuer_name((issuer or self).name).public_key(self.key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
                   .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True))
        if not ca:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        self.certificate = builder.sign((issuer or self).key, DIGESTS[digest]())

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, folder):
        """Writes the key and the chain without its root into one file; returns its path."""
        path = os.path.join(folder, f"{x509.random_serial_number():x}.pem")
        key = self.key.private_bytes(serialization.Encoding.PEM,
                                     serialization.PrivateFormat.TraditionalOpenSSL,
                                     serialization.NoEncryption()).decode()
        chain, at = "", self
        while at.issuer is not None:
            chain += at.pem()
            at = at.issuer
        with open(path, "w", encoding="ascii") as file:
            file.write(key + (chain or self.pem()))
        return path

    def context(self, folder, lowest=ssl.TLSVersion.TLSv1_2, highest=ssl.TLSVersion.TLSv1_3,
                ciphers=None):
        """A server's context that itself accepts everything, however weak."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
        context.minimum_version, context.maximum_version = lowest, highest
        context.load_cert_chain(self.write(folder))
        return context
