"""Closes every door of the embedded S3 but the signed one, because the others could delete evidence.

SeaweedFS trusts its network: whoever reaches the master, filer or volume ports may read, write and
drop whole collections, locked objects included. So HTTP of master and filer is off (a flag of the
server), volumes take only tokens signed with a key that is new at every start, and gRPC takes only
the one client certificate made here, whose authority's key is thrown away.
"""

import ipaddress
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SIGNING = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
_PEERS = ("master", "volume", "filer", "s3", "admin", "worker", "mq", "msg_broker", "msg_agent")
_VALID_FOR = timedelta(days=3650)


def close_doors(home: Path) -> None:
    """Write `security.toml` with fresh keys into `home`, where the server looks for it first."""
    authority, certificate, key = _certificates()
    paths = {name: home / "tls" / name for name in ("authority.pem", "server.pem", "server.key")}
    (home / "tls").mkdir(mode=0o700, exist_ok=True)
    for path, content in zip(paths.values(), (authority, certificate, key), strict=True):
        write_private(path, content)
    lines = [f'[{section}]\nkey = "{secrets.token_hex(32)}"' for section in _SIGNING]
    lines.append(f'[grpc]\nca = "{paths["authority.pem"]}"')
    lines += [
        f'[grpc.{peer}]\ncert = "{paths["server.pem"]}"\nkey = "{paths["server.key"]}"'
        for peer in (*_PEERS, "client")
    ]
    write_private(home / "security.toml", "\n".join(lines).encode() + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(file)
    fresh.replace(path)


def _certificates() -> tuple[bytes, bytes, bytes]:
    """A throw-away authority, one certificate of it for both ends, and that certificate's key."""
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "patrol embedded store")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weed")])
    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    # Two days back: a clock that was ahead when this was written must not refuse it afterwards.
    begin = datetime.now(UTC) - timedelta(days=2)

    def builder(name: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=issuer,
            subject_name=name,
            public_key=public_key,
            serial_number=x509.random_serial_number(),
            not_valid_before=begin,
            not_valid_after=begin + _VALID_FOR,
        )

    authority = (
        builder(issuer, issuer_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        builder(subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return (
        authority.public_bytes(pem),
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
