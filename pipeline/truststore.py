"""Let a fetched Java trust what Python trusts: on some networks the system's authorities are more than Java brings."""

from __future__ import annotations

import hashlib
import re
import ssl
import struct
from contextlib import suppress
from pathlib import Path

# Public: it only guards the file against damage.
PASSWORD = "changeit"
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


def authorities() -> list[bytes]:
    """The certificates (DER) of the authorities that Python trusts by default."""
    places = ssl.get_default_verify_paths()
    files = [Path(places.cafile)] if places.cafile else []
    if places.capath and not files:
        files = [path for path in sorted(Path(places.capath).iterdir()) if _HASHED_NAME.fullmatch(path.name)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for path in files:
        with suppress(OSError, ssl.SSLError):
            context.load_verify_locations(path)
    return context.get_ca_certs(binary_form=True)


def keystore(certificates: list[bytes]) -> bytes:
    """Certificates (DER) as a Java key store of the format JKS, version 2 (sun.security.provider.JavaKeyStore)."""

    def text(words: str) -> bytes:
        return struct.pack(">H", len(words)) + words.encode()

    content = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        # 2 marks a trusted certificate; its time of creation, in milliseconds since 1970, plays no part.
        content += struct.pack(">I", 2) + text(f"authority-{number}") + struct.pack(">Q", 0)
        content += text("X.509") + struct.pack(">I", len(certificate)) + certificate
    # The digest's salt is part of the format.
    return content + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + content).digest()


def java_options(folder: Path) -> tuple[str, ...]:
    """Options that make a Java trust them; none where Python does not know its authorities."""
    certificates = authorities()
    if not certificates:
        return ()
    path = folder / "authorities.jks"
    path.write_bytes(keystore(certificates))
    return (
        f"-Djavax.net.ssl.trustStore={path}",
        "-Djavax.net.ssl.trustStoreType=JKS",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
    )
