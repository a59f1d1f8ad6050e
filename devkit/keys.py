"""Development keys and tokens: an ES256 key pair in the data folder, and JWTs that it signs.

In production an identity provider does this, and services see its JWKS only. This module imports little, so that
`tutormesh token` starts fast.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from mesh.production import DEVELOPMENT_ISSUER

ROLES = ("student", "tutor", "admin", "service")
LIFETIME_SECONDS = 12 * 3600
DEFAULT_ISSUER = DEVELOPMENT_ISSUER
DEFAULT_AUDIENCE = "tutormesh"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs tokens (RFC 7519, ES256 of RFC 7518) with a development key."""

    key: ec.EllipticCurvePrivateKey
    kid: str
    issuer: str = DEFAULT_ISSUER
    audience: str = DEFAULT_AUDIENCE

    def token(self, role: str, *, subject: str | None = None, service: str | None = None) -> str:
        """A JWT for a person of this role, or for a service; it is valid for 12 hours.

        `subject` is the person's UUID, by default a random one. `service` is a service's name, with the role service.
        Raises ValueError for an unknown role, a subject that is no UUID, or a service with another role.
        """
        if role not in ROLES:
            raise ValueError(f"role: {role!r} is not one of {', '.join(ROLES)}")
        if service is not None and role != "service":
            raise ValueError("service: only the role service has a name")
        now = int(time.time())
        claims = {
            "sub": _subject(subject, service),
            "roles": [role],
            **({"svc": service} if service else {}),
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        }
        return self._sign(claims)

    def _sign(self, claims: dict[str, object]) -> str:
        header = {"alg": "ES256", "kid": self.kid, "typ": "JWT"}
        text = f"{_base64(_json(header))}.{_base64(_json(claims))}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def signer(folder: Path, issuer: str = DEFAULT_ISSUER, audience: str = DEFAULT_AUDIENCE) -> Signer:
    """The signer of a keys folder. The first use makes the key and `jwks.json`; several processes make one key."""
    path = folder / "signing.pem"
    if not path.exists():
        _make_key(folder, path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no ES256 key")
    jwk = _public_jwk(key)
    if not (folder / "jwks.json").exists():
        replace_file(folder / "jwks.json", json.dumps({"keys": [jwk]}), mode=0o644)
    return Signer(key, jwk["kid"], issuer, audience)


def read_or_make_secret(path: Path, prefix: str = "") -> str:
    """The random secret in a file. The first use makes it."""
    if not path.exists():
        write_once(path, prefix + secrets.token_urlsafe(32))
    return path.read_text().strip()


def replace_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file atomically: a reader sees the old text or the new one, never a part."""
    draft = _write_draft(path, text, mode)
    draft.replace(path)


def _make_key(folder: Path, path: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_once(path, pem.decode())


def write_once(path: Path, text: str) -> None:
    """Write a file unless another process has: a hard link, unlike a rename, never replaces a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _write_draft(path, text, 0o600)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _write_draft(path: Path, text: str, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    return draft


def _subject(subject: str | None, service: str | None) -> str:
    if subject is not None:
        try:
            return str(uuid.UUID(subject))
        except ValueError:
            raise ValueError(f"subject: {subject!r} is not a UUID") from None
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{service}.tutormesh") if service else uuid.uuid4())


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The public key as a JWK (RFC 7517); its `kid` is its thumbprint (RFC 7638)."""
    numbers = key.public_key().public_numbers()
    x, y = (_base64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    thumbprint = hashlib.sha256(_json({"crv": "P-256", "kty": "EC", "x": x, "y": y})).digest()
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": _base64(thumbprint), "use": "sig", "alg": "ES256"}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
