"""Keys: their files, their spellings, and signatures that do not hold."""

from __future__ import annotations

import os
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.notes import vkey
from alertstore.errors import AlertValidationError, MissingExtraError, StorageError
from alertstore.signing import SigningKey, can_check, is_signed, read_public

# RFC 8032, 7.1, test 2.
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "lab.key"


@pytest.mark.parametrize("passphrase", [None, "correct horse é"])
def test_a_key_made_is_the_key_read(file, passphrase):
    made = SigningKey.create(file, passphrase)
    read = SigningKey.read(file, passphrase)
    assert read.public == made.public
    assert made.text == made.public.hex()
    assert is_signed(made.public, read.sign(b"message"), b"message")
    assert file.stat().st_mode & 0o777 == 0o600
    assert (b"ENCRYPTED" in file.read_bytes()) == (passphrase is not None)


def test_keys_differ(tmp_path):
    assert len({SigningKey.create(tmp_path / str(number)).public for number in range(20)}) == 20


def test_the_published_signature(file):
    private = Ed25519PrivateKey.from_private_bytes(SECRET)
    file.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    key = SigningKey.read(file)
    assert (key.public, key.sign(b"\x72")) == (PUBLIC, SIGNATURE)
    assert is_signed(PUBLIC, SIGNATURE, b"\x72")


def test_a_file_that_is_there_is_never_written_over(file):
    file.write_text("precious")
    with pytest.raises(StorageError, match=r"lab\.key"):
        SigningKey.create(file)
    assert file.read_text() == "precious"
    with pytest.raises(StorageError):
        SigningKey.create(file.parent / "nowhere" / "x.key")


def test_a_wrong_passphrase_and_none(file):
    SigningKey.create(file, "right")
    for passphrase in ("wrong", None, ""):
        with pytest.raises(AlertValidationError, match="key"):
            SigningKey.read(file, passphrase)


def test_a_passphrase_for_a_file_that_has_none(file):
    SigningKey.create(file)
    with pytest.raises(AlertValidationError):
        SigningKey.read(file, "some")


def pem(private):
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"\0" * 100, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "elliptic", "cut"]
)
def test_files_that_are_no_key(file, content):
    if content == "elliptic":
        content = pem(ec.generate_private_key(ec.SECP256R1()))
    elif content == "cut":
        content = pem(Ed25519PrivateKey.generate())[:60]
    file.write_bytes(content)
    with pytest.raises(AlertValidationError):
        SigningKey.read(file)


def test_files_that_cannot_be_read(file, tmp_path):
    for path in (file, tmp_path):
        with pytest.raises(StorageError):
            SigningKey.read(path)


def test_a_destroyed_key_is_overwritten_and_gone(file):
    SigningKey.create(file)
    before = file.stat().st_size
    with file.open("rb") as held:  # what the name stood for, after it is gone
        SigningKey.destroy(file)
        assert held.read() == b"\0" * before
    assert not file.exists()


def test_the_secret_is_in_no_repr(file):
    key = SigningKey.create(file)
    assert "sign" not in repr(key)


# --- signatures ---


@given(st.data())
def test_no_changed_bit_holds(data):
    which = data.draw(st.sampled_from(["public", "signature", "message"]))
    parts = {"public": PUBLIC, "signature": SIGNATURE, "message": b"\x72"}
    changed = bytearray(parts[which])
    bit = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[bit // 8] ^= 1 << bit % 8
    assert not is_signed(**(parts | {which: bytes(changed)}))


@pytest.mark.parametrize("public", [b"", b"x" * 31, b"x" * 33, b"\0" * 32, b"\xff" * 32])
@pytest.mark.parametrize("signature", [b"", SIGNATURE[:63], SIGNATURE + b"\0", b"\0" * 64])
def test_what_is_no_key_or_no_signature_holds_nothing(public, signature):
    assert not is_signed(PUBLIC, signature, b"\x72")
    assert not is_signed(public, SIGNATURE, b"\x72")


# --- spellings of a public key ---


def spellings():
    private = Ed25519PrivateKey.from_private_bytes(SECRET)
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return {
        "bytes": PUBLIC,
        "hex": PUBLIC.hex(),
        "capitals": PUBLIC.hex().upper(),
        "with a newline": f"  {PUBLIC.hex()}\n",
        "PEM": public,
        "PEM with blanks": f"\n{public}\n\n",
        "verifier key": vkey("alertstore/x", PUBLIC),
        "verifier key with a newline": vkey("alertstore/x", PUBLIC) + "\n",
        "key": SigningKey(PUBLIC, private.sign),
    }


@pytest.mark.parametrize("spelling", spellings())
def test_a_public_key_in_every_spelling(spelling):
    assert read_public(spellings()[spelling]) == PUBLIC.hex()


@pytest.mark.parametrize(
    "given",
    [
        None, 7, "", " ", b"", PUBLIC[:31], PUBLIC + b"x", PUBLIC.hex()[:63], PUBLIC.hex() + "0", "g" * 64, "\N{FULLWIDTH LATIN SMALL LETTER A}" * 64, PUBLIC.hex()[:32] + " " + PUBLIC.hex()[32:],
        vkey("alertstore/x", PUBLIC)[:-2], vkey("alertstore/x", PUBLIC).replace("alertstore/x", "alertstore/y"),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----", "\0", "é", "\ud800", [PUBLIC], object(),
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
        pem(Ed25519PrivateKey.generate()).decode(),
    ],
)  # fmt: skip
def test_what_is_no_public_key(given):
    with pytest.raises(AlertValidationError, match="key"):
        read_public(given)


# --- without the extra ---


@pytest.fixture
def no_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)


def test_what_needs_the_extra_says_so(no_extra, file):
    assert can_check() is False
    calls = [
        lambda: SigningKey.create(file),
        lambda: SigningKey.read(file),
        lambda: is_signed(PUBLIC, SIGNATURE, b"\x72"),
        lambda: read_public("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    ]
    for call in calls:
        with pytest.raises(MissingExtraError) as refusal:
            call()
        assert "sign" in refusal.value.advice
    assert not os.path.exists(file)


def test_what_does_not_need_it(no_extra):
    assert read_public(PUBLIC.hex()) == read_public(PUBLIC) == read_public(vkey("x", PUBLIC)) == PUBLIC.hex()


def test_with_the_extra():
    assert can_check() is True
