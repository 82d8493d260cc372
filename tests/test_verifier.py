"""The stand-alone verifier as those use it who have nothing else: its command, bundles, proofs, keys, Ed25519."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from alertstore import AlertStore, verifier
from alertstore.domain.fold import ALERT_COLUMNS
from alertstore.domain.merkle import Frontier, Tree, leaf_hash, stored_node
from alertstore.domain.notes import note, origin, read_note, signature_line, vkey
from alertstore.domain.proofs import consistency_path, inclusion_path, is_consistent, read_proof, root_at, root_from_inclusion
from alertstore.signing import SigningKey, is_signed
from alertstore.storage.schema import schema_sql
from alertstore.testing import FrozenClock, generic_alert, seeded_ids

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

SOURCE = Path(verifier.__file__)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a signed store, two bundles of it (one signed), a key, receipts and proofs; made once, only read."""
    folder = tmp_path_factory.mktemp("made")
    key = SigningKey.create(folder / "key.pem")
    with AlertStore.open(folder / "s.db", clock=FrozenClock(), ids=seeded_ids(), receipts=folder / "receipts") as store:
        for n in range(5):
            store.add(generic_alert(title=f"title {n} \x1b[2J\u202e"))
        early = store.checkpoint()
        signed = store.sign(key)
        store.add(generic_alert(title="later"))
        (folder / "early.json").write_text(json.dumps({"size": early.size, "root": early.root}))
        (folder / "note").write_text(signed.note)
        (folder / "inclusion").write_text(store.prove(3).to_json())
        (folder / "consistency").write_text(store.prove_extends(early).to_json())
        store.seal(folder / "plain")
        store.seal(folder / "signed", key=key)
    (folder / "key.hex").write_text(key.text + "\n")
    (folder / "key.vkey").write_text(vkey("somebody", key.public) + "\n")
    public = ed25519.Ed25519PublicKey.from_public_bytes(key.public)
    (folder / "key.pub").write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """A copy of what was made, to change."""
    shutil.copytree(made, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        path.chmod(0o700)
    return tmp_path / "copy"


@pytest.fixture
def run(capsys):
    """Run the command in process: (exit code, what it printed as JSON)."""

    def command(*arguments):
        code = verifier.main(["--json", *map(str, arguments)])
        return code, json.loads(capsys.readouterr().out)

    return command


def isolated(script, *arguments):
    """Run a copy of the verifier where nothing of alertstore, nor anything else that was installed, can be imported."""
    return subprocess.run([sys.executable, "-I", "-S", script, *arguments], capture_output=True, text=True, check=False)


def test_it_needs_the_standard_library_alone():
    imported = set()
    for one in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(one, ast.Import):
            imported |= {name.name.split(".")[0] for name in one.names}
        elif isinstance(one, ast.ImportFrom):
            imported.add((one.module or "").split(".")[0])
    assert imported <= sys.stdlib_module_names


def test_it_knows_the_schema_and_the_columns():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as conn:
        conn.executescript(schema_sql())
        audit = verifier.Audit(conn)
        audit.structure()
    assert audit.problems == []
    assert verifier.COLUMNS == ALERT_COLUMNS


def test_a_bundle_checks_itself(made):
    for name, assurance in (("plain", "unsigned"), ("signed", "unsigned")):
        done = isolated(str(made / name / "verify.py"))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"sound; assurance: {assurance}\n")
    done = isolated(str(made / "signed" / "verify.py"), "--key", str(made / "key.hex"), "--json")
    said = json.loads(done.stdout)
    assert (said["verdict"], said["assurance"], said["signed_size"]) == ("sound", "signed", said["size"])
    assert said["checked"] == {"alerts": 6, "events": said["size"], "records": 6}
    assert isolated(str(SOURCE), str(made / "s.db")).returncode == 0
    assert isolated(str(SOURCE), str(made / "inclusion")).returncode == 0


def test_it_leaves_no_trace(made, run):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.rglob("*") if path.is_file()}
    assert run(made / "signed")[0] == run(made / "s.db")[0] == 0
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("form", ["key.hex", "key.vkey", "key.pub", "hex", "vkey"])
def test_forms_of_a_key(made, run, form):
    given = (made / "key.hex").read_text() if form == "hex" else (made / "key.vkey").read_text() if form == "vkey" else made / form
    for target in ("signed", "inclusion", "consistency"):
        code, said = run("--key", given, made / target)
        assert (code, said["assurance"]) == (0, "signed")


def test_the_wrong_key(made, run):
    for n in range(5):
        wrong = sha256(b"%d" % n).hexdigest()
        for target in ("s.db", "plain", "signed", "inclusion", "consistency"):
            code, said = run("--key", wrong, made / target)
            assert (code, said["verdict"], said["assurance"]) == (6, "tampered", "unsigned")


@pytest.mark.parametrize("kept", [("--checkpoint", "early.json"), ("--checkpoint", "note"), ("--receipts", "receipts")])
def test_what_was_kept_outside(made, copy, run, kept):
    code, said = run(kept[0], made / kept[1], made / "s.db")
    assert (code, said["assurance"], said["problems"]) == (0, "anchored", [])
    with AlertStore.open(copy / "other.db", clock=FrozenClock(), ids=seeded_ids()) as other:  # the same id, another history
        for n in range(7):
            other.add(generic_alert(title=f"forged {n}"))
    code, said = run(kept[0], made / kept[1], copy / "other.db")
    assert (code, said["verdict"]) == (6, "tampered")
    assert "rewritten" in {problem["kind"] for problem in said["problems"]}


def test_a_rollback(made, copy, run):
    with AlertStore.open(copy / "old.db", clock=FrozenClock(), ids=seeded_ids()) as old:
        old.add(generic_alert())
    code, said = run("--receipts", made / "receipts", copy / "old.db")
    assert code == 6
    assert {problem["kind"] for problem in said["problems"]} >= {"rollback"}


def test_receipts_of_other_stores_and_torn_lines(made, copy, run):
    text = (made / "receipts").read_text()
    (copy / "receipts").write_text(text.replace('"store": "0', '"store": "1') + text + '{"store": "x", "si')
    assert run("--receipts", copy / "receipts", made / "s.db")[0] == 0
    (copy / "receipts").write_text(text.replace('"store": "0', '"store": "1'))
    code, said = run("--receipts", copy / "receipts", made / "s.db")
    assert (code, said["verdict"]) == (4, "could not check")


def test_every_line_of_a_manifest(copy, run):
    for name in ("plain", "signed"):
        place = copy / name / "MANIFEST"
        text = place.read_text()
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if not line:
                continue
            for other in (line + "0", line[:-1], ""):
                place.write_text("\n".join([*lines[:number], other, *lines[number + 1 :]]))
                code, said = run(copy / name)
                unbound = name == "plain" and number > 0 and line.split(" ")[0] in {"alertstore", "sqlite"} and other
                assert (code in {4, 6}) != bool(unbound), (line, other, said)
        place.write_text(text)
        assert run(copy / name)[0] == 0


def test_every_changed_byte_of_a_sealed_store(copy, run, promise):
    place = copy / "plain" / "store.db"
    whole = place.read_bytes()
    offsets = [*range(0, 100, 7), *range(100, len(whole), len(whole) // 60)]
    for offset in offsets:
        place.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        code, said = run(copy / "plain")
        assert code in {4, 6}, (offset, said)
    for length in (0, 50, 4096, len(whole) - 4096, len(whole) - 1):
        place.write_bytes(whole[:length])
        assert run(copy / "plain")[0] in {4, 6}
    promise("A changed or shortened sealed store never verifies (the stand-alone verifier)", f"{len(offsets) + 5} of {len(offsets) + 5}")


def test_what_is_beside_a_file(copy, run):
    for beside in ("-wal", "-journal"):
        (copy / f"s.db{beside}").write_bytes(b"")
        assert run(copy / "s.db")[0] == 0
        (copy / f"s.db{beside}").write_bytes(b"x")
        code, said = run(copy / "s.db")
        assert (code, said["verdict"]) == (4, "could not check")
        (copy / f"s.db{beside}").unlink()


def test_what_cannot_be_checked(copy, run):
    (copy / "text").write_text("hello")
    (copy / "empty").write_bytes(b"")
    (copy / "brace").write_text("{")
    os.mkfifo(copy / "pipe")
    with closing(sqlite3.connect(copy / "foreign")) as conn, conn:
        conn.execute("CREATE TABLE event (x)")
    (copy / "plain" / "MANIFEST").write_text((copy / "plain" / "MANIFEST").read_text().replace("file store.db", "file ../s.db"))
    for name in ("text", "empty", "brace", "pipe", "nothing", "plain", "."):
        assert run(copy / name)[0] == 4, name
    assert run(copy / "foreign")[0] == 6
    for given in ("text", "nothing", "s.db", "pipe"):
        for option in ("--key", "--checkpoint", "--receipts"):
            assert run(option, copy / given, copy / "s.db")[0] in ({4, 6} if (option, given) == ("--receipts", "text") else {4})
    with pytest.raises(SystemExit) as stopped:
        verifier.main(["--no-such-option"])
    assert stopped.value.code == 2


def test_nothing_in_a_file_acts_on_a_terminal(copy, capsys):
    with closing(sqlite3.connect(copy / "s.db", isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = DELETE")
        conn.execute("UPDATE setting SET value = ? WHERE name = 'store_id'", ("\x1b]0;mine\x07\u202e\n",))
        conn.execute("UPDATE import SET name = ?", ("\x1b[2J",))
        conn.execute("INSERT INTO setting (name, value) VALUES (?, ?)", ("\x1b[2J\u2028", "x\r\n"))
    assert verifier.main([str(copy / "s.db")]) == 6
    out = capsys.readouterr().out
    assert "x1b" in out
    assert all(line.isprintable() and line.isascii() for line in out.split("\n"))


# --- proofs ---


def library_takes(text):
    try:
        read_proof(text).check()
    except ValueError:
        return False
    return True


def mutations(text):
    """Proofs that are not quite this one."""
    said = json.loads(text)
    for name, value in said.items():
        for other in (None, True, 0, 1, -1, "", "x", [], {}, 1.5, 2**53, "0" * 64, "g" * 64):
            if (other, type(other)) != (value, type(value)):
                yield {**said, name: other}
        yield {key: one for key, one in said.items() if key != name}
        if isinstance(value, int):
            yield from ({**said, name: value + more} for more in (-1, 1, 2, 7, 1 << 40))
        if isinstance(value, str):
            yield from (
                {**said, name: changed} for changed in (value + "0", value[:-1], value.upper(), " " + value, value.replace("\n", "\n\n"))
            )
    for n, one in enumerate(said["path"]):
        for changed in ([], [one, one], [one[:-1] + ("0" if one[-1] != "0" else "1")], [one.upper()]):
            yield {**said, "path": [*said["path"][:n], *changed, *said["path"][n + 1 :]]}
    yield {**said, "more": 1}
    yield {**said, "path": said["path"][::-1]}


def test_proofs_and_all_that_are_almost_one(made, promise):
    total = 0
    for name in ("inclusion", "consistency"):
        text = (made / name).read_text()
        assert library_takes(text)
        texts = [text, *(json.dumps(one) for one in mutations(text)), text.replace('{"', '{"size":1,"', 1), text[:-1], text + " "]
        for one in texts:
            try:
                alone = not verifier.check_proof(one, verifier.Kept()).problems
            except verifier.CannotCheckError:
                alone = False
            assert alone == library_takes(one), one
        total += len(texts)
    promise("The stand-alone verifier takes the same proofs as the library", f"{total} of {total} genuine and changed proofs")


def test_a_checkpoint_anchors_a_proof(made, copy, run):
    said = json.loads((made / "inclusion").read_text())
    for size, root, code in ((said["size"], said["root"], 0), (said["size"], "0" * 64, 6), (said["size"] + 1, said["root"], 4)):
        (copy / "kept").write_text(json.dumps({"size": size, "root": root}))
        assert run("--checkpoint", copy / "kept", made / "inclusion")[0] == code


def test_paths_of_every_size():
    tree, stored, roots = Tree(Frontier()), [], [sha256(b"").digest()]
    bodies = [b"%d" % n for n in range(24)]
    for body in bodies:
        stored.append(tree.append(body))
        roots.append(tree.frontier().root())
    node = lambda end, level: stored_node(stored[end - 1], level)  # noqa: E731 - one line, used once below
    assert [root_at(size, node) for size in range(25)] == roots
    for size in range(1, 25):
        for seq in range(1, size + 1):
            path, leaf = inclusion_path(seq, size, node), leaf_hash(bodies[seq - 1])
            assert verifier.inclusion_root(seq - 1, size, leaf, path) == root_from_inclusion(seq, size, leaf, path) == roots[size]
            for wrong in (path[1:], [*path, leaf]):
                if wrong != path:
                    with pytest.raises((ValueError, IndexError)):
                        verifier.inclusion_root(seq - 1, size, leaf, wrong)
        for old in range(size + 1):
            path = consistency_path(old, size, node)
            assert verifier.follows(old, roots[old], size, roots[size], path)
            for other_root, other_path in (
                (roots[size - old], path),
                (roots[old], path[::-1]),
                (roots[old], path[:-1]),
                (roots[old], [*path, leaf]),
            ):
                try:
                    found = verifier.follows(old, other_root, size, roots[size], other_path)
                except (ValueError, IndexError):
                    found = False
                assert found == is_consistent(old, other_root, size, roots[size], other_path)


# --- Ed25519 and notes ---

RFC_8032 = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(public, message, signature):
    key, text, signed = map(bytes.fromhex, (public, message, signature))
    assert verifier.is_signed(key, signed, text)
    for bit in range(0, 512, 23):
        changed = bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(signed))
        assert not verifier.is_signed(key, changed, text)
    s = int.from_bytes(signed[32:], "little") + verifier.L
    assert not verifier.is_signed(key, signed[:32] + s.to_bytes(32, "little"), text)
    assert not verifier.is_signed(key, signed[:-1], text)
    assert not verifier.is_signed(key, signed, text + b"x")


def test_the_same_signatures_as_another_implementation(promise):
    for n in range(40):
        private = ed25519.Ed25519PrivateKey.from_private_bytes(sha256(b"%d" % n).digest())
        public, message = private.public_key().public_bytes_raw(), bytes(range(n))
        signature = private.sign(message)
        assert verifier.is_signed(public, signature, message)
        changed = bytes([*signature[: n % 64], signature[n % 64] ^ 1 << n % 8, *signature[n % 64 + 1 :]])
        assert not verifier.is_signed(public, changed, message)
        assert not is_signed(public, changed, message)
    promise("Ed25519 in the stand-alone verifier agrees with cryptography", "80 of 80 signatures, half of them changed")


@pytest.mark.parametrize(
    "raw",
    [
        (2**255 - 19 + 1).to_bytes(32, "little"),  # 1, spelled otherwise
        (2**255 - 19).to_bytes(32, "little"),
        (2**255 - 1).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),  # minus nothing
        (2).to_bytes(32, "little"),  # on no point
        b"\xff" * 32,
    ],
    ids=lambda raw: raw.hex()[:8],
)
def test_points_have_one_spelling(raw):
    with pytest.raises(ValueError, match="not a point"):
        verifier.point(raw)
    assert not verifier.is_signed(raw, bytes(64), b"")
    assert not verifier.is_signed(bytes.fromhex(RFC_8032[0][0]), raw + bytes(32), b"")


def test_notes_are_read_as_the_library_reads_them():
    name, key = origin("0190c3a2-1111-7222-8333-444455556666"), bytes(32)
    text = f"{name}\n12\n{b64encode(bytes(32)).decode()}\n"
    whole = note(text, [signature_line(name, key, bytes(64))])
    texts = [
        whole,
        whole[:-1],
        whole + "\n",
        whole.replace("\n\n", "\n"),
        whole.replace("\u2014", "-"),
        whole.replace("\n", "\r\n"),
        "",
        "\n\n",
    ]
    texts += [
        whole + whole.split("\n\n")[1],
        whole.replace("= ", "=\xa0"),
        whole.replace("\u2014 ", "\u2014\xa0"),
        whole + "\u2014 a AAAAAAA=\n",
    ]
    texts += [whole[:k] + extra + whole[k:] for k in range(0, len(whole), 5) for extra in ("\0", "\n", " ", "A", "\x85", "+")]
    for one in texts:
        outcomes = []
        for reader in (read_note, verifier.read_note):
            try:
                found = reader(one)
                outcomes.append(found.text if reader is read_note else found[0])
            except ValueError:
                outcomes.append(None)
        assert outcomes[0] == outcomes[1], one
