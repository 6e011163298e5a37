# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for tests, and valid and invalid server certificates."""

import datetime
import ipaddress
import os
import ssl
import tempfile
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
OLD_VERSIONS = {"tls-1.0": ssl.TLSVersion.TLSv1, "tls-1.1": ssl.TLSVersion.TLSv1_1,
                "tls-1.2": ssl.TLSVersion.TLSv1_2}
KINDS = {"good", "expired", "not-yet-valid", "other-name", "unknown-ca", "self-signed",
         "client-usage", "key-usage", "issuer-is-no-ca", "issuer-key-usage", *OLD_VERSIONS}


class Authority:
    def __init__(self, name="tally test CA"):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = _sign(self._name, self._key, self._name, self._key.public_key(), [
            (x509.BasicConstraints(ca=True, path_length=1), True),
            (_key_usage(key_cert_sign=True, crl_sign=True), True)])
        self._contexts = {}

    def pem(self):
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def context(self, names, kind="good"):
        """A server's TLS context; kind: one of KINDS."""
        if kind not in KINDS:
            raise ValueError(f"no such certificate: {kind}")
        found = self._contexts.get((tuple(names), kind))
        if found is None:
            found = self._contexts[tuple(names), kind] = self._make(names, kind)
        return found

    def _make(self, names, kind):
        names = ["elsewhere.example"] if kind == "other-name" else names
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        key, issuer, name = ec.generate_private_key(ec.SECP256R1()), self, self._name
        if kind == "unknown-ca":
            issuer = Authority("somebody else")
            name = issuer._name
        usage = x509.oid.ExtendedKeyUsageOID
        extensions = [
            (x509.SubjectAlternativeName([_general(name) for name in names]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage([usage.CLIENT_AUTH if kind == "client-usage"
                                    else usage.SERVER_AUTH]), False)]
        if kind == "key-usage":  # a key that may only sign CRLs
            extensions.append((_key_usage(crl_sign=True), True))
        days = {"expired": (-10, -1), "not-yet-valid": (1, 10)}.get(kind, (-10, 30))
        if kind == "self-signed":
            certificate = _sign(subject, key, subject, key.public_key(), extensions, days)
        elif kind in ("issuer-is-no-ca", "issuer-key-usage"):  # it must not sign, but did
            is_ca = kind == "issuer-key-usage"
            own = [(x509.BasicConstraints(ca=is_ca, path_length=None), True),
                   (_key_usage(digital_signature=True), True)]
            middle, middle_name = ec.generate_private_key(ec.SECP256R1()), names[0] + " server"
            middle_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, middle_name)])
            chain = [_sign(self._name, self._key, middle_name, middle.public_key(), own)]
            certificate = _sign(middle_name, middle, subject, key.public_key(), extensions)
            return _context(key, certificate, *chain)
        else:
            certificate = _sign(name, issuer._key, subject, key.public_key(), extensions, days)
        return _context(key, certificate, newest=OLD_VERSIONS.get(kind))


def _key_usage(**usage):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: usage.get(name, False) for name in names})


def _sign(issuer, issuer_key, subject, public_key, extensions, days=(-10, 30)):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
               .public_key(public_key).serial_number(x509.random_serial_number())
               .not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _context(key, *chain, newest=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    # load_cert_chain accepts files only.
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM,
                                         serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))
            for certificate in chain:
                file.write(certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
