"""Signed notes and checkpoints: the published examples, every spelling that is refused, and anything at all."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import example, given
from hypothesis import strategies as st

from alertstore.domain.notes import (
    LARGEST_NOTE,
    LARGEST_SIZE,
    MOST_SIGNATURES,
    ORIGIN,
    checkpoint_text,
    key_id,
    note,
    origin,
    read_checkpoint,
    read_note,
    read_vkey,
    signature_line,
    vkey,
)

# The example of the C2SP signed-note specification, and the older one that Go's note package is documented with.
PUBLISHED = {
    "c2sp": (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    ),
    "go": (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    ),
}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
STORE = "0190c3a2-1111-7222-8333-444455556666"
ROOT = sha256(b"root").digest()
ROOT64 = b64encode(ROOT).decode()
TEXT = checkpoint_text(origin(STORE), 7, ROOT)
LINE = signature_line(origin(STORE), PUBLIC, KEY.sign(TEXT.encode()))
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=8).filter(
    lambda text: text.isprintable() and "+" not in text
)
SOUP = st.lists(
    st.sampled_from(
        ["\n", "\n\n", "— ", "—", " ", "a", "+", "=", "/", "\r", "\xa0", "\0", "\u2028", "\ud800", "0", "7", "-", ROOT64, LINE, TEXT]
    )
    | st.text(max_size=4),
    max_size=9,
).map("".join)


@pytest.mark.parametrize("which", PUBLISHED)
def test_the_published_examples(which):
    key, text = PUBLISHED[which]
    name, public = read_vkey(key)
    said = read_note(text)
    (signed,) = said.signatures
    assert (signed.name, signed.key_id) == (name, key_id(name, public))
    Ed25519PublicKey.from_public_bytes(public).verify(signed.signature, said.text.encode())
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(signed.signature, said.text.encode() + b"\n")
    assert vkey(name, public) == key
    assert note(said.text, [signature_line(name, public, signed.signature)]) == text


def test_the_published_checkpoint():
    """The example of C2SP's tlog-checkpoint."""
    said = read_note(
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    name, size, root = read_checkpoint(said.text)
    assert (name, size) == ("example.com/behind-the-sofa", 20852163)
    assert root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert checkpoint_text(name, size, root) == said.text
    assert [(one.name, len(one.signature)) for one in said.signatures] == [(name, 64)]


def test_a_text_with_empty_lines_and_letters_beyond_ascii():
    text = "Ognuno sta solo\n\ned è subito sera.\n\n— not a signature\n"
    assert read_note(note(text, [LINE])).text == text


def test_a_checkpoint_of_a_store():
    assert origin(STORE) == ORIGIN + STORE == f"alertstore/{STORE}"
    assert f"alertstore/{STORE}\n7\n{ROOT64}\n" == TEXT
    said = read_note(note(TEXT, [LINE]))
    assert read_checkpoint(said.text) == (origin(STORE), 7, ROOT)
    KEY.public_key().verify(said.signatures[0].signature, said.text.encode())
    assert said.signatures[0].key_id == sha256(origin(STORE).encode() + b"\n\x01" + PUBLIC).digest()[:4]


@pytest.mark.parametrize("size", [0, 1, 9, 10, 10**18, LARGEST_SIZE])
def test_sizes(size):
    assert read_checkpoint(checkpoint_text("a", size, ROOT)) == ("a", size, ROOT)


def test_extension_lines_are_left_out():
    assert read_checkpoint(TEXT + "more\nand more\n") == (origin(STORE), 7, ROOT)
    assert read_checkpoint(f"go.sum database tree\n0\n{ROOT64}\n") == ("go.sum database tree", 0, ROOT)  # origins of others may have spaces


@pytest.mark.parametrize(
    "size",
    [
        *[
            "",
            "00",
            "07",
            "+7",
            "-7",
            "-0",
            " 7",
            "7 ",
            "7.0",
            "7e1",
            "0x7",
            "1_000",
            "1,000",
            "\u0667",
            "\uff17",
            "7\r",
            "7\0",
            "7\t",
            "seven",
        ],
        *[str(LARGEST_SIZE + 1), str(2**64), "9" * 20, "9" * 5000],
    ],
)
def test_sizes_that_are_refused(size):
    with pytest.raises(ValueError, match="checkpoint"):
        read_checkpoint(f"log\n{size}\n{ROOT64}\n")


@pytest.mark.parametrize(
    "root",
    [
        "",
        ROOT.hex(),
        ROOT64.rstrip("="),
        ROOT64 + "=",
        ROOT64 + "\r",
        ROOT64 + " ",
        " " + ROOT64,
        "\xa0" + ROOT64,
        ROOT64[:20] + "\r" + ROOT64[20:],
        "-" + ROOT64[1:],
        "_" + ROOT64[1:],
        "\uff21" + ROOT64[1:],
        b64encode(ROOT[:31]).decode(),
        b64encode(ROOT + b"x").decode(),
        ROOT64[:-2] + chr(ord(ROOT64[-2]) + 1) + "=",  # the same 32 bytes, with an unused bit set
    ],
)
def test_roots_that_are_refused(root):
    with pytest.raises(ValueError, match="checkpoint"):
        read_checkpoint(f"log\n7\n{root}\n")


def test_the_unused_bits_of_the_last_digit_are_looked_at():
    twin = ROOT64[:-2] + chr(ord(ROOT64[-2]) + 1) + "="
    assert b64decode(twin, validate=True) == ROOT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n\n",
        TEXT[:-1],
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        TEXT + "\n",
        "\n" + TEXT,
        TEXT + "more",
        TEXT + "more\n\nand more\n",
        TEXT + "m\0re\n",
        TEXT + "more\r\n",
        f"\n7\n{ROOT64}\n",
        "log\n7\n",
        *(f"l{mark}g\n7\n{ROOT64}\n" for mark in "\r\t\0\x0b\x1b\x1c\x7f\x85\xa0\u200b\u200e\u202e\u2028\u2029\u3000\ufeff\ud800"),
    ],
)
def test_checkpoints_that_are_refused(text):
    with pytest.raises(ValueError, match="checkpoint"):
        read_checkpoint(text)


@pytest.mark.parametrize(
    ("log", "size", "root"),
    [
        ("", 1, ROOT),
        ("a b", 1, ROOT),
        ("a+b", 1, ROOT),
        ("a\n", 1, ROOT),
        ("a", -1, ROOT),
        ("a", LARGEST_SIZE + 1, ROOT),
        ("a", 1, ROOT[1:]),
    ],
)
def test_checkpoints_that_are_not_written(log, size, root):
    with pytest.raises(ValueError, match=r"name|checkpoint"):
        checkpoint_text(log, size, root)


BAD_NAMES = ["", "a b", "a+b", *(f"a{mark}" for mark in " \n\r\t\0\x1f\x7f\x85\xa0\u1680\u2003\u2028\u202f\u205f\u3000\u202e\ufeff\ud800")]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_no_key_has(name):
    with pytest.raises(ValueError, match="name"):
        key_id(name, PUBLIC)
    with pytest.raises(ValueError, match="name"):
        vkey(name, PUBLIC)
    with pytest.raises(ValueError, match="name"):
        signature_line(name, PUBLIC, bytes(64))
    with pytest.raises(ValueError, match=r"name|note|signature"):
        read_note(f"text\n\n— {name} {b64encode(bytes(68)).decode()}\n")
    if name:
        with pytest.raises(ValueError, match="name"):
            origin(name)


NAME, CODED = LINE.split(" ")[1:]
CODED = CODED.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n",
        "\n\n\n",
        TEXT,
        TEXT + "\n",
        TEXT + LINE,
        LINE,
        "\n" + LINE,
        TEXT[:-1] + "\n" + LINE,
        TEXT + "\n" + LINE[:-1],
        TEXT + "\n" + LINE + "\n",
        TEXT + "\n" + LINE + "more\n",
        TEXT + "\n" + LINE + "more",
        TEXT + "\n" + LINE + LINE,
        TEXT + "\n" + LINE + f"— {NAME} {b64encode(b64decode(CODED)[:4] + b'other').decode()}\n",
        (TEXT + "\n" + LINE).replace("\n", "\r\n"),
        TEXT + "\n" + LINE[:-1] + "\r\n",
        "a\0b\n\n" + LINE,
        "a\tb\n\n" + LINE,
        "a\x1bb\n\n" + LINE,
        "a\x85b\n\n" + LINE,
        "a\ud800b\n\n" + LINE,
        f"text\n\n— {NAME}\n",
        f"text\n\n— {NAME} \n",
        f"text\n\n—{NAME} {CODED}\n",
        f"text\n\n—  {NAME} {CODED}\n",
        f"text\n\n— {NAME}  {CODED}\n",
        f"text\n\n— {NAME} {CODED} \n",
        f"text\n\n— {NAME} {CODED} more\n",
        f"text\n\n—\xa0{NAME} {CODED}\n",
        f"text\n\n— {NAME}\xa0{CODED}\n",
        f"text\n\n- {NAME} {CODED}\n",
        f"text\n\n\N{EN DASH} {NAME} {CODED}\n",
        f"text\n\n-- {NAME} {CODED}\n",
        f"text\n\n {LINE}",
        f"text\n\n— {NAME} {CODED}=\n",
        f"text\n\n— {NAME} {CODED[:-4]}_{CODED[-3:]}\n",
        f"text\n\n— {NAME} {b64encode(bytes(4)).decode()}\n",
        f"text\n\n— {NAME} AAAAAAB=\n",
        f"text\n\n— {NAME} AAAAAAAAAAA\n",
    ],
)
def test_notes_that_are_refused(text):
    with pytest.raises(ValueError, match=r"note|signature|name"):
        read_note(text)


def lines(number):
    return [f"— key{k} {b64encode(bytes(68)).decode()}\n" for k in range(number)]


def test_how_many_signatures():
    assert len(read_note(note(TEXT, lines(MOST_SIGNATURES))).signatures) == MOST_SIGNATURES
    with pytest.raises(ValueError, match="more than 100"):
        note(TEXT, lines(MOST_SIGNATURES + 1))


def test_one_name_may_have_several_keys_and_one_id_several_names():
    same = [f"— {name} {b64encode(bytes(3) + last + bytes(64)).decode()}\n" for name in "ab" for last in (b"0", b"1")]
    assert len(read_note(note(TEXT, same)).signatures) == 4


@pytest.mark.parametrize("letter", ["x", "è", "\N{GRINNING FACE}"])
def test_how_large(letter):
    room = LARGEST_NOTE - len(LINE.encode()) - 2
    text = letter * (room // len(letter.encode()))
    text += "x" * (room - len(text.encode())) + "\n"
    assert len(note(text, [LINE]).encode()) == LARGEST_NOTE
    assert read_note(note(text, [LINE])).text == text
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        note("x" + text, [LINE])


@pytest.mark.parametrize(
    ("text", "signed"), [(TEXT[:-1], [LINE]), (TEXT, []), (TEXT, ["\n" + LINE]), (TEXT, [LINE, "\n", LINE]), ("", [LINE])]
)
def test_notes_that_are_not_written(text, signed):
    with pytest.raises(ValueError, match=r"note|signature"):
        note(text, signed)


@pytest.mark.parametrize(("public", "signature"), [(PUBLIC[1:], bytes(64)), (PUBLIC + b"x", bytes(64)), (PUBLIC, bytes(63)), (PUBLIC, b"")])
def test_keys_and_signatures_of_another_length(public, signature):
    with pytest.raises(ValueError, match="bytes, not"):
        signature_line("a", public, signature)


def coded(kind, public):
    return b64encode(bytes([kind]) + public).decode()


VKEY = vkey("log", PUBLIC)
ID, KEY64 = VKEY.split("+", 2)[1:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log",
        "log+",
        f"log+{ID}",
        f"log+{ID}+",
        f"+{ID}+{KEY64}",
        f"other+{ID}+{KEY64}",
        f"log +{ID}+{KEY64}",
        f"log+{ID.upper() if ID.upper() != ID else ID + '0'}+{KEY64}",
        f"log+0{ID}+{KEY64}",
        f"log+{ID[1:]}+{KEY64}",
        f"log+0x{ID[2:]}+{KEY64}",
        f"log+{(int(ID, 16) ^ 1):08x}+{KEY64}",
        f"log+{ID}+{KEY64}\n",
        f" {VKEY}",
        f"{VKEY}+",
        f"log+{ID}+{coded(2, PUBLIC)}",
        f"log+{ID}+{b64encode(PUBLIC).decode()}",
        f"log+{ID}+{coded(1, PUBLIC + b'x')}",
        f"log+{ID}+{coded(1, b'')}",
        f"log+{ID}+{KEY64[:-1]}_",
        f"PRIVATE+KEY+{VKEY}",
    ],
)
def test_verifier_keys_that_are_refused(text):
    with pytest.raises(ValueError, match="key"):
        read_vkey(text)


@given(st.binary(min_size=32, max_size=32), WORD)
def test_every_verifier_key_is_read_back(public, name):
    assert read_vkey(vkey(name, public)) == (name, public)


@given(WORD, st.integers(0, LARGEST_SIZE), st.binary(min_size=32, max_size=32), st.lists(WORD, unique=True, min_size=1, max_size=5))
def test_everything_written_is_read_back(name, size, root, signers):
    text = checkpoint_text(name, size, root)
    whole = note(text, [signature_line(signer, root, root + root) for signer in signers])
    said = read_note(whole)
    assert read_checkpoint(said.text) == (name, size, root)
    assert [(one.name, one.key_id, one.signature) for one in said.signatures] == [(one, key_id(one, root), root + root) for one in signers]


@given(SOUP)
@example(note(TEXT, [LINE]))
def test_anything_is_read_the_one_way_or_refused(text):
    """What is accepted is exactly what writing it again gives: there is no second spelling of a note, a checkpoint, a key."""
    try:
        said = read_note(text)
    except ValueError:
        pass
    else:
        signed = (f"— {one.name} {b64encode(one.key_id + one.signature).decode()}\n" for one in said.signatures)
        assert note(said.text, signed) == text
    try:
        name, size, root = read_checkpoint(text)
    except ValueError:
        pass
    else:
        assert text.startswith(f"{name}\n{size}\n{b64encode(root).decode()}\n")
    try:
        key = read_vkey(text)
    except ValueError:
        pass
    else:
        assert vkey(*key) == text


WHOLE = note(TEXT, [LINE])


def test_every_changed_byte_of_a_signed_checkpoint_is_noticed(promise):
    """Refused as a note, or as a checkpoint, or by the signature, or no longer signed by this key: never taken for another."""
    noticed, raw = 0, WHOLE.encode()
    for place in range(len(raw)):
        for bit in range(8):
            changed = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            noticed += not trusted(changed)
    assert trusted(raw)
    assert noticed == 8 * len(raw)
    promise("a signed checkpoint with one bit changed is refused", f"{noticed} of {8 * len(raw)} bits")


def trusted(raw):
    try:
        said = read_note(raw.decode())
        read_checkpoint(said.text)
        (signed,) = (one.signature for one in said.signatures if (one.name, one.key_id) == (origin(STORE), key_id(origin(STORE), PUBLIC)))
        KEY.public_key().verify(signed, said.text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True
