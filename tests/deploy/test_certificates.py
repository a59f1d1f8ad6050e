"""cert-manager's Certificates: of the documented form, and what mesh/certificates.py demands of a certificate.

cert-manager: `deploy/crds/cert-manager.io_certificates.yaml` and `…_issuers.yaml`, v1, name the fields and their bounds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devkit.certificates import Authority, authority
from mesh.certificates import LAST_PART, files_in, read, spiffe_id
from tests.deploy.rendered import Rendered

#: The fields of `spec` that are used, and what each may hold.
FIELDS: dict[str, type] = {
    "commonName": str,
    "dnsNames": list,
    "duration": str,
    "isCA": bool,
    "issuerRef": dict,
    "privateKey": dict,
    "renewBefore": str,
    "secretName": str,
    "uris": list,
    "usages": list,
}
USAGES = {"digital signature", "key encipherment", "server auth", "client auth"}
EXTENDED = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}


def services(rendered: Rendered) -> dict[str, dict[str, Any]]:
    """The Certificates of services, without a developer's CA."""
    return {name: one["spec"] for name, one in rendered.of("Certificate").items() if not one["spec"].get("isCA")}


def length(text: str) -> timedelta:
    """Go's durations, as far as they are used here."""
    found = re.fullmatch(r"(\d+)h", text)
    assert found, text
    return timedelta(hours=int(found[1]))


def test_every_certificate_has_the_documented_form(rendered: Rendered) -> None:
    for one in rendered.of("Certificate").values():
        assert one["apiVersion"] == "cert-manager.io/v1"
        spec = one["spec"]
        assert all(isinstance(value, FIELDS[name]) for name, value in spec.items())
        assert {"secretName", "issuerRef"} <= spec.keys()
        assert spec["issuerRef"].keys() == {"name", "kind", "group"}
        assert spec["privateKey"] in (ECDSA | {"rotationPolicy": "Always"}, ECDSA | {"rotationPolicy": "Never"})
        assert set(spec.get("usages", [])) <= USAGES
        assert length(spec["duration"]) >= timedelta(hours=1)


ECDSA = {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8"}


def test_every_issuer_that_is_named_is_there_or_is_the_operators(production: Rendered, dev: Rendered) -> None:
    for rendered, brought in ((dev, set()), (production, {"tutormesh"})):
        named = {one["spec"]["issuerRef"]["name"] for one in rendered.of("Certificate").values()}
        assert named - rendered.of("Issuer").keys() == brought
    assert dev.of("Issuer")["tutormesh"]["spec"]["ca"]["secretName"] == "authority"
    assert dev.of("Certificate")["authority"]["spec"]["secretName"] == "authority"


def test_whoever_speaks_grpc_has_a_certificate_and_renews_it_before_we_alert(rendered: Rendered) -> None:
    assert services(rendered).keys() == {*rendered.scaled, "ops"}
    for name, spec in services(rendered).items():
        assert spec["secretName"] == f"{name}-certificate"
        left, life = length(spec["renewBefore"]), length(spec["duration"])
        assert life * LAST_PART < left < life
        assert spec["privateKey"]["rotationPolicy"] == "Always"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority") / "authority.pem")


def test_a_certificate_of_this_form_is_one_that_a_process_can_use(
    production: Rendered, own: Authority, tmp_path: Path
) -> None:
    for name, spec in services(production).items():
        folder = tmp_path / name
        sign(spec, own, folder)
        found = read(files_in(folder))
        assert found.identity == spiffe_id(name)
        assert found.fault(datetime.now(UTC)) == ""
        assert spec["dnsNames"] == [name]  # clients check it: `grpc.ssl_target_name_override` is the service's name


def sign(spec: dict[str, Any], own: Authority, folder: Path) -> None:
    """What an issuer signs for this Certificate, in the files of its secret."""
    folder.mkdir()
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    names = [*map(x509.UniformResourceIdentifier, spec["uris"]), *map(x509.DNSName, spec["dnsNames"])]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "")]) if spec.get("commonName") else x509.Name([])
        )
        .issuer_name(own.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + length(spec["duration"]))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([EXTENDED[one] for one in spec["usages"] if one in EXTENDED]), critical=False
        )
        .sign(own.key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "ca.crt").write_bytes(own.certificate.public_bytes(pem))
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(pem, form, none))
