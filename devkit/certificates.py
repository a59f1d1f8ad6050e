"""A development CA in the data folder, and the certificates that it issues to the services of a mesh.

In production cert-manager, SPIRE or another issuer does this. The files have cert-manager's names.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devkit.keys import replace_file, write_once

#: How long certificates last. They are made anew each hour, as tokens are.
LIFETIME = timedelta(hours=12)
AUTHORITY_LIFETIME = timedelta(days=3650)
#: Clocks of containers and of this machine may differ by so much.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its key, and its own certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(self, name: str, folder: Path, *, begins: datetime | None = None, lifetime: timedelta = LIFETIME) -> None:
        """Write tls.crt, tls.key and ca.crt of a service ("payment"), or of one outside the mesh ("internal/shop").

        The DNS name is the service's. This machine's own names are in it too, for grpcurl and `buf curl`.
        """
        begins = begins or datetime.now(UTC) - CLOCK_SKEW
        key = ec.generate_private_key(ec.SECP256R1())
        names = [
            x509.UniformResourceIdentifier(f"spiffe://tutormesh/{name}"),
            *(x509.DNSName(one) for one in (name.partition("/")[0], "localhost")),
            x509.IPAddress(ip_address("127.0.0.1")),
        ]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        draft = _draft(_named(name), self.certificate.subject, key, begins, begins + lifetime)
        certificate = (
            draft.add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(folder / "ca.crt", _pem(self.certificate), mode=0o644)
        replace_file(folder / "tls.key", _key_pem(key))
        replace_file(folder / "tls.crt", _pem(certificate), mode=0o644)


def authority(path: Path) -> Authority:
    """The authority in a file. The first use makes it; several processes make one."""
    if not path.exists():
        write_once(path, _new_authority())
    pem = path.read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no key of an elliptic curve")
    return Authority(key, x509.load_pem_x509_certificate(pem))


def _new_authority() -> str:
    key, begins = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) - CLOCK_SKEW
    name = _named(
        f"development CA {secrets.token_hex(4)}"
    )  # whoever trusts two authorities finds the right one by name
    certificate = (
        _draft(name, name, key, begins, begins + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _key_pem(key) + _pem(certificate)


def _named(name: str) -> x509.Name:
    parts = ((NameOID.ORGANIZATION_NAME, "tutormesh"), (NameOID.COMMON_NAME, name))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(form, kind, serialization.NoEncryption()).decode()
