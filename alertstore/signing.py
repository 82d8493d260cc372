"""Keys that sign checkpoints: Ed25519, kept outside the store. Needs the extra `sign`."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from attrs import field, frozen

from alertstore.domain.notes import read_vkey
from alertstore.errors import AlertValidationError, FieldProblem, MissingExtraError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = 32
"""Bytes of a public key."""

_HEX = re.compile("[0-9a-f]{64}")


@frozen
class SigningKey:
    """A key that signs: its public half (32 bytes), and what makes signatures (64 bytes) of messages.

    `SigningKey(public, sign)` takes any signer, such as a smart card's; the others come from files.
    """

    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)

    @property
    def text(self) -> str:
        """The public half as 64 hex digits: short enough for paper, and what `verify(key=...)` takes."""
        return self.public.hex()

    @classmethod
    def create(cls, path: str | os.PathLike[str], passphrase: str | None = None) -> Self:
        """Make a key in a new file (PKCS #8 PEM, mode 0600, encrypted where there is a passphrase).

        Raises `StorageError` where the file is there already or cannot be made.
        """
        ed25519, serialization = _cryptography()
        private = ed25519.Ed25519PrivateKey.generate()
        cipher = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
        text = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as fault:
            raise StorageError(f"{path} cannot be created: {fault.strerror}", advice="name a file that does not exist") from fault
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return cls(_public(private), private.sign)

    @classmethod
    def read(cls, path: str | os.PathLike[str], passphrase: str | None = None) -> Self:
        """Read a key from its file. Raises `StorageError`; `AlertValidationError` for what is no Ed25519 key, or a wrong passphrase."""
        ed25519, serialization = _cryptography()
        try:
            with open(path, "rb") as file:
                text = file.read(1 << 16)
        except OSError as fault:
            raise StorageError(f"{path} cannot be read: {fault.strerror}", advice="name a file that `alertstore keygen` made") from fault
        try:
            private = serialization.load_pem_private_key(text, None if passphrase is None else passphrase.encode())
        except (ValueError, TypeError) as fault:  # its words for: no PEM, a wrong passphrase, none where one is needed
            raise AlertValidationError([FieldProblem("key", f"cannot be opened ({fault})", str(path))]) from fault
        if not isinstance(private, ed25519.Ed25519PrivateKey):
            raise AlertValidationError([FieldProblem("key", "must be an Ed25519 key", str(path))])
        return cls(_public(private), private.sign)

    @staticmethod
    def destroy(path: str | os.PathLike[str]) -> None:
        """Overwrite a key's file and remove it: what is left of an epoch that has ended must not sign again.

        On flash and copy-on-write disks an old copy of the block may survive; nothing written from here can reach it.
        Raises `StorageError`.
        """
        try:
            with open(path, "r+b") as file:
                file.write(b"\0" * os.fstat(file.fileno()).st_size)
                file.flush()
                os.fsync(file.fileno())
            os.unlink(path)
        except OSError as fault:
            raise StorageError(
                f"{path} cannot be destroyed: {fault.strerror}", advice="remove it by hand: it must not sign again"
            ) from fault


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 key (32 bytes) made a signature of a message. Raises `MissingExtraError`."""
    ed25519, _ = _cryptography()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra

    with suppress(InvalidSignature, ValueError):  # ValueError: not the bytes of a key
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    return False


def can_check() -> bool:
    """Whether signatures can be checked here."""
    try:
        _cryptography()
    except MissingExtraError:
        return False
    return True


def read_public(given: object) -> str:
    """A public key as 64 hex digits, from those, its 32 bytes, a `SigningKey`, its PEM, or the text of a C2SP verifier key.

    Raises `AlertValidationError`.
    """
    if isinstance(given, SigningKey):
        return given.text
    if isinstance(given, bytes) and len(given) == LENGTH:
        return given.hex()
    text = given.strip() if isinstance(given, str) else ""
    if _HEX.fullmatch(text.lower()):
        return text.lower()
    if text.startswith("-----BEGIN PUBLIC KEY-----"):
        return _from_pem(text)
    with suppress(ValueError):
        return read_vkey(text)[1].hex()
    raise AlertValidationError([FieldProblem("key", "must be an Ed25519 public key: 64 hex digits, PEM, or a verifier key", given)])


def _from_pem(text: str) -> str:
    ed25519, serialization = _cryptography()
    with suppress(ValueError, TypeError):
        found = serialization.load_pem_public_key(text.encode())
        if isinstance(found, ed25519.Ed25519PublicKey):
            return str(found.public_bytes_raw().hex())
    raise AlertValidationError([FieldProblem("key", "must be the PEM of an Ed25519 public key", text)])


def _public(private: Any) -> bytes:
    raw: bytes = private.public_key().public_bytes_raw()
    return raw


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - an extra
    except ImportError:
        feature = "signing"
        raise MissingExtraError(feature, "sign") from None
    return ed25519, serialization
