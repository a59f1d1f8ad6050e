"""Certificates between services: files that somebody renews, and the service that a certificate names.

A certificate names its service twice. Servers read the SPIFFE id `spiffe://tutormesh/<service>` of their callers. Clients
check the DNS name `<service>` of a server, because the client of grpcio can check no URI (grpcio 1.85: its verifier looks
at DNS names and IP addresses only). A service of the company outside the mesh is `spiffe://tutormesh/internal/<name>`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from mesh.logs import log

TRUST_DOMAIN = "tutormesh"
#: The least time between two looks at the files, and between two lines about a certificate that peers will refuse.
CHECK_SECONDS, SAY_SECONDS = 1.0, 60.0
#: The last part of a certificate's life. Issuers renew at half or two thirds of it, so nobody has renewed it by then.
LAST_PART = 0.1
#: What services of the company outside the mesh are called.
OUTSIDE = "internal"
ENDS_SOON = "ends soon, and nobody has renewed it"
_ID = re.compile(rf"spiffe://{TRUST_DOMAIN}/([a-z0-9-]+)(?:/[\w.-]+)?", re.ASCII)
_Stamp = tuple[tuple[int, int, int] | None, ...]


class Unusable(Exception):
    """A file of a certificate cannot be used. The message begins with the setting that names the file."""


class Files(NamedTuple):
    """The PEM files of a process: its certificate with what links it to an authority, its key, and the authorities."""

    certificate: Path
    key: Path
    authorities: Path


SETTINGS = Files(Path("MESH_CERT_FILE"), Path("MESH_KEY_FILE"), Path("MESH_CA_FILE"))
#: The names of the files in a folder, as cert-manager's secrets have them.
NAMES = Files(Path("tls.crt"), Path("tls.key"), Path("ca.crt"))


def files_in(folder: Path) -> Files:
    """The files of a folder with cert-manager's names."""
    return Files(*(folder / name for name in NAMES))


def spiffe_id(name: str) -> str:
    """The SPIFFE id of a service ("payment"), or of one outside the mesh ("internal/shop")."""
    return f"spiffe://{TRUST_DOMAIN}/{name}"


def service_of(identity: str) -> str:
    """The service that a SPIFFE id names: "payment"; "internal" for one outside the mesh; empty for any other id."""
    found = _ID.fullmatch(identity)
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the files held when they were read."""

    chain: bytes
    key: bytes = field(repr=False)
    authorities: bytes
    identity: str
    begins: datetime
    ends: datetime
    is_trusted: bool
    dns_names: frozenset[str]

    def fault(self, now: datetime, *, serves: bool = False) -> str:
        """Why peers refuse this certificate now, or will soon; empty when there is no reason. `serves`: it is a server's."""
        if now < self.begins:
            return "is not valid yet: its issuer's clock is ahead"
        if now >= self.ends:
            return "has expired"
        if not self.is_trusted:
            return "is issued by none of the authorities in MESH_CA_FILE"
        if serves and (own := service_of(self.identity)) not in (*self.dns_names, OUTSIDE):
            return f"lacks the DNS name {own}, by which clients know the service"
        return ENDS_SOON if self.is_near_end(now) else ""

    def is_near_end(self, now: datetime) -> bool:
        return self.ends - now < (self.ends - self.begins) * LAST_PART

    def for_clients(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authorities, self.key, self.chain)

    def for_servers(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.authorities)


def read(files: Files) -> Certificate:
    """Read a certificate. Raises Unusable, also for files of which only some are renewed yet."""
    chain, key, authorities = (_bytes(name, path) for name, path in zip(SETTINGS, files, strict=True))
    certificates = _certificates(chain, "MESH_CERT_FILE", files.certificate)
    leaf = certificates[0]
    if _public_key_of(key, files.key) != _encoded(leaf.public_key()):
        raise Unusable(f"MESH_KEY_FILE: {files.key} is not the key of {files.certificate}")
    trusted = _is_trusted(certificates, _certificates(authorities, "MESH_CA_FILE", files.authorities))
    identity, times = _identity_of(leaf, files.certificate), (leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    return Certificate(chain, key, authorities, identity, *times, trusted, frozenset(_names(leaf, x509.DNSName)))


def _bytes(setting: Path, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"{setting}: {path} cannot be read: {error.strerror}") from None


def _certificates(pem: bytes, setting: str, path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Unusable(f"{setting}: {path} holds no certificate") from None


def _public_key_of(pem: bytes, path: Path) -> bytes:
    try:
        return _encoded(serialization.load_pem_private_key(pem, password=None).public_key())
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise Unusable(f"MESH_KEY_FILE: {path} holds no private key that can be read without a password") from None


def _encoded(key: object) -> bytes:
    encode = key.public_bytes  # type: ignore[attr-defined]
    return bytes(encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _identity_of(leaf: x509.Certificate, path: Path) -> str:
    """SPIFFE's X.509-SVID, 2: a certificate has exactly one URI, which is its id."""
    found = _names(leaf, x509.UniformResourceIdentifier)
    if len(found) != 1 or not service_of(found[0]):
        raise Unusable(f"MESH_CERT_FILE: {path} does not have one URI such as {spiffe_id('payment')}")
    return found[0]


def _names(leaf: x509.Certificate, kind: type[x509.UniformResourceIdentifier | x509.DNSName]) -> list[str]:
    """The subject's alternative names of this kind; none when they cannot be read."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [str(name) for name in names.get_values_for_type(kind)]
    except (x509.ExtensionNotFound, ValueError):
        return []


def _is_trusted(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    return any(_is_issued_by(one, authority) for one in chain for authority in authorities)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


class Certificates:
    """The certificate of this process, read again when its files change. Threads may share it.

    While the files cannot be used, the last good certificate is kept, and the log says why. Peers learn who we are from
    the connection, so calls carry no token (`mesh.identity.CredentialSource`).
    """

    def __init__(self, files: Files) -> None:
        """Raises Unusable."""
        self._files, self._lock = files, threading.Lock()
        self._stamp, self._checked_at = _stamp(files), time.monotonic()
        self._current = read(files)
        self._said: dict[str, float] = {}
        self._serves, self._unreadable = False, ""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def current(self) -> Certificate:
        """The newest certificate. Looks at the files at most once in CHECK_SECONDS; the same object while none changes."""
        if time.monotonic() - self._checked_at >= CHECK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._check(datetime.now(UTC))
            finally:
                self._checked_at = time.monotonic()
                self._lock.release()
        return self._current

    async def look(self) -> None:
        """Look at the files, as a loop's work: a fault is logged also while nobody connects."""
        self.current()

    def for_servers(self) -> grpc.ServerCredentials:
        """Credentials that ask every caller for a certificate. gRPC asks for the newest ones at each new connection."""
        self._serves, given = True, self.current()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            before, given = given, self.current()
            return None if given is before else given.for_servers()

        return grpc.dynamic_ssl_server_credentials(
            given.for_servers(),
            changed,  # type: ignore[arg-type]  # its stub does not know of None, which is "no change"
            require_client_authentication=True,
        )

    def _check(self, now: datetime) -> None:
        stamp = _stamp(self._files)
        if stamp != self._stamp or self._current.is_near_end(now):
            self._read_again(stamp)
        fault = self._current.fault(now, serves=self._serves)
        if not fault or not self._is_new(fault):
            return
        if fault == ENDS_SOON:
            log().error("certificate_ends_soon", why=fault, alert=True, **self._facts())
        else:
            log().error("certificate_unusable", why=fault, alert=True, **self._facts())

    def _read_again(self, stamp: _Stamp) -> None:
        try:
            found = read(self._files)
        except Unusable as error:
            # Issuers write one file after the other, so that only what a second look cannot read either is a fault.
            before, self._unreadable = self._unreadable, str(error)
            if before == self._unreadable and self._is_new(before):
                log().error("certificate_unreadable", why=before, alert=True, **self._facts())
            return
        self._stamp, self._unreadable = stamp, ""
        if found != self._current:
            self._current = found
            self._said.clear()
            log().info("certificate_renewed", id=found.identity, ends=found.ends.isoformat())

    def _is_new(self, fault: str) -> bool:
        """True at most once in SAY_SECONDS for each fault."""
        if time.monotonic() - self._said.get(fault, float("-inf")) < SAY_SECONDS:
            return False
        self._said[fault] = time.monotonic()
        return True

    def _facts(self) -> dict[str, str]:
        current = self._current
        return {"path": str(self._files.certificate), "id": current.identity, "ends": current.ends.isoformat()}


def _stamp(files: Files) -> _Stamp:
    """What changes when a file is written or replaced, also by way of a link, as Kubernetes replaces secrets."""
    return tuple(map(_stamp_of, files))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
