"""C2PA content credentials: whether a video carries them, and putting new ones on a film that name its segments.

Joining drops what segments carry, whatever the tool; the stored segments keep theirs. Signing needs the package
c2pa-python (extra `c2pa`) and a certificate of the user's own. Nothing here opens the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from storychain import __version__
from storychain.errors import MediaError, UsageError
from storychain.media.aside import folder_aside, give_name, need_space
from storychain.media.container import examine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MARK = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The kind of `uuid` box that C2PA manifests lie in (C2PA specification, embedding into BMFF files)."""

_MOST_BOXES = 100_000

_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's words for media that a model made, all of it or some."""

_MP4, _MATROSKA = "video/mp4", "video/x-matroska"

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}

_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A video that a film was made of; `generated` tells whether a model made it."""

    path: Path
    title: str
    generated: bool = True


def carries_c2pa(path: Path) -> bool:
    """Whether an MP4 or MOV file carries C2PA credentials. Reads box headers alone; what cannot be read has none."""
    try:
        with path.open("rb") as file:
            return any(kind == b"uuid" and mark == _MARK for kind, mark in _boxes(file))
    except OSError:
        return False


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind of each outermost box, and the sixteen bytes that say what kind of `uuid` box it is."""
    end = file.seek(0, 2)
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(32)
        size, kind, before = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, before = int.from_bytes(head[8:16], "big"), 16
        if len(head) < before:
            return
        yield kind, head[before : before + 16]
        if size < before or place + size >= end:
            return  # the last, or nothing that could be walked on
        place += size


def sign_film(film: Path, ingredients: Sequence[Ingredient], cert: Path, key: Path, title: str) -> None:
    """Put credentials on `film`: that a model made its pictures, and each ingredient with the credentials it carries.

    `cert` is a PEM chain, the signer's first; `key` its private key (PEM, no password). The film is replaced in one
    step by the signed one, which was read back before. Takes about as long as hashing all files; call it off the loop.
    Raises UsageError for a certificate or key that cannot be used, or where c2pa-python is missing; MediaError where
    the film cannot be signed.
    """
    c2pa = _library()
    chain, secret, algorithm = _credentials(cert, key)
    with folder_aside(film.parent) as aside:
        need_space(film.parent, film.stat().st_size)
        made = aside / "film.mp4"
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, secret, None))
        except c2pa.C2paError as error:
            advice = "C2PA wants a chain of PEM certificates with the signer's own first, made to sign documents."
            raise UsageError(f"cannot be used for signing: {error}", where=str(cert), next_step=advice) from error
        try:
            with signer, c2pa.Context.from_dict(_OFFLINE) as context:
                _sign(c2pa, context, signer, film, made, ingredients, title)
        except c2pa.C2paError as error:
            advice = f"The unsigned film is untouched. See that {cert} may sign: its key usage, dates and chain."
            raise MediaError(f"cannot be signed: {error}", where=str(film), next_step=advice) from error
        give_name(made, film)


def _sign(
    c2pa: Any, context: Any, signer: Any, film: Path, made: Path, ingredients: Sequence[Ingredient], title: str
) -> None:
    placed = [_Placed(one, f"segment-{number}", _format(one.path)) for number, one in enumerate(ingredients, 1)]
    with c2pa.Builder.from_json(json.dumps(_manifest(placed, title)), context) as builder:
        for one in placed:
            if one.format == _MP4:
                with one.ingredient.path.open("rb") as source:
                    builder.add_ingredient(json.dumps(one.about()), _MP4, source)
        with film.open("rb") as unsigned, made.open("w+b") as signed:
            builder.sign(signer, _MP4, unsigned, signed)


@dataclass(frozen=True, slots=True)
class _Placed:
    """An ingredient, its name in the manifest, and its media type."""

    ingredient: Ingredient
    name: str
    format: str

    def about(self) -> dict[str, str]:
        return {
            "title": self.ingredient.title,
            "format": self.format,
            "relationship": "componentOf",
            "instance_id": self.name,
        }


def _format(path: Path) -> str:
    """A video's media type by its bytes. Credentials are defined for MP4 alone: of others only the name is taken."""
    return _MP4 if examine(path, matroska=True).demuxer == "mov" else _MATROSKA


def _manifest(placed: Sequence[_Placed], title: str) -> dict[str, Any]:
    """What is claimed: the film was created of placed segments, and how much of it a model made."""
    source = _GENERATED if all(one.ingredient.generated for one in placed) else _COMPOSITE
    actions: list[dict[str, Any]] = [{"action": "c2pa.created", "digitalSourceType": source}]
    if placed:
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": [one.name for one in placed]}})
    return {
        "claim_generator_info": [{"name": "storychain", "version": __version__}],
        "title": title,
        "format": _MP4,
        "ingredients": [one.about() for one in placed if one.format != _MP4],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
    }


def _library() -> Any:
    try:
        import c2pa  # noqa: PLC0415 - an extra, and 50 MB of it
    except ImportError as error:
        raise UsageError(
            "a film cannot be signed without c2pa-python", next_step="pip install 'storychain[c2pa]'"
        ) from error
    return c2pa


def _credentials(cert: Path, key: Path) -> tuple[bytes, bytes, bytes]:
    """The chain, the private key, and the name of the algorithm that goes with them."""
    chain, secret = _read(cert), _read(key)
    from cryptography import x509  # noqa: PLC0415 - c2pa-python brings it along
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise UsageError("this is no PEM certificate chain", where=str(cert)) from error
    try:
        private = serialization.load_pem_private_key(secret, password=None)
    except (ValueError, TypeError) as error:
        advice = "Give a PEM private key without a password: openssl pkcs8 -topk8 -nocrypt."
        raise UsageError(f"this private key cannot be used: {error}", where=str(key), next_step=advice) from error
    if private.public_key() != certificates[0].public_key():
        advice = "The signer's own certificate comes first in the chain."
        raise UsageError(f"this is not the key of {cert}", where=str(key), next_step=advice)
    algorithm = _algorithm(private, key)
    # openssl writes keys in several ways; the signing library reads this one.
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return chain, private.private_bytes(*plain), algorithm


def _algorithm(private: Any, key: Path) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    name = None
    if isinstance(private, ec.EllipticCurvePrivateKey):
        name = _CURVES.get(private.curve.name)
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        name = "ed25519"
    elif isinstance(private, rsa.RSAPrivateKey):
        name = "ps256"
    if name is None:
        raise UsageError("C2PA knows no signatures of this kind of key", where=str(key), next_step="Use ECDSA P-256.")
    return name.encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
