"""Proving: keys, proofs, and sealed copies to hand over."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alertstore.cli.gate import say
from alertstore.cli.output import Output, formatted, plain
from alertstore.errors import AlertValidationError, FieldProblem, SourceError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from alertstore.cli.session import Session
    from alertstore.signing import SigningKey


_HEX_KEY = re.compile("[0-9a-fA-F]{64}")


def read_key(path: str) -> SigningKey:
    """A signing key from its file; the passphrase of an encrypted one is in $ALERTSTORE_PASSPHRASE, or asked for."""
    from alertstore.signing import SigningKey  # noqa: PLC0415 - help needs no key

    return SigningKey.read(path, _passphrase(path) if _is_encrypted(path) else None)


def _is_encrypted(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return b"ENCRYPTED" in file.read(100)
    except OSError as fault:
        raise SourceError(f"{path} cannot be read: {fault.strerror}", advice="name a file that `alertstore keygen` made") from fault


def _passphrase(path: str, *, twice: bool = False) -> str:
    given = os.environ.get("ALERTSTORE_PASSPHRASE")
    return given or str(click.prompt(f"passphrase of {Path(path).name}", hide_input=True, confirmation_prompt=twice, err=True))


def read_trusted(given: str) -> str:
    """The public key that --key names: 64 hex digits, or a file that holds one."""
    from alertstore.signing import read_public  # noqa: PLC0415 - help needs no key

    if os.path.lexists(given):
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise SourceError(f"{given} cannot be read: {fault}", advice="name a file with a public key") from fault
        if "PRIVATE KEY" in text:
            advice = f"its public half, which stands in {given}.pub, is enough to verify"
            raise AlertValidationError([FieldProblem("key", "must be a public key; this file holds a private one", given)], advice=advice)
        return read_public(text)
    if not _HEX_KEY.fullmatch(given):
        raise SourceError(f"there is no file {given}", advice="name a file with a public key, or give its 64 hex digits")
    return read_public(given)


@click.command()
@click.argument("path", type=click.Path())
@click.option("--passphrase", "encrypted", is_flag=True, help="Encrypt the file ($ALERTSTORE_PASSPHRASE, or asked for).")
@click.option("--rotate", "old", metavar="OLD", type=click.Path(), help="End the epoch of this key of the store, and destroy its file.")
@click.option("--reason", help="Why; kept in the history.")
@formatted
@click.pass_obj
def keygen(session: Session, /, *, out: Output, path: str, encrypted: bool, old: str | None, reason: str | None) -> None:
    """Make a key that signs checkpoints.

    Its public half is printed, and kept in PATH.pub: 64 digits, for paper, and for `verify --key`. Keep the file itself where
    the store is not. With --rotate the new key takes over from the old one, which signs a last checkpoint and is destroyed, so
    that nobody can sign an earlier history with it.

    Example: alertstore keygen /media/stick/lab.key
    """
    from alertstore.signing import SigningKey  # noqa: PLC0415 - help needs no key

    if os.path.lexists(f"{path}.pub"):  # a key that is destroyed may be what everybody trusts
        raise StorageError(f"{path}.pub exists already", advice="name a file that does not exist")

    def create() -> SigningKey:
        key = SigningKey.create(path, _passphrase(path, twice=True) if encrypted else None)
        Path(f"{path}.pub").write_text(key.text + "\n", encoding="ascii")
        return key

    if old is None:
        facts: dict[str, Any] = {"key": path, "public_key": create().text}
    else:
        ending = read_key(old)
        with session.open("rw") as store:
            key = create()
            try:
                closed, _ = store.rotate_key(ending, key, reason=reason)
            except AlertValidationError:  # refused before anything was written; whatever else stopped it, the store may know the key
                Path(path).unlink()
                Path(f"{path}.pub").unlink()
                raise
        SigningKey.destroy(old)
        facts = {"key": path, "public_key": key.text, "epoch": closed.epoch + 1, "closed_at": closed.size}
    out.one(facts, "facts")
    if old is not None:
        say(f"{old} has signed its last checkpoint and is destroyed; keep its public half, and verify with that of the first key:")
        say("a key vouches for what came before it only as far as nobody else has it")


@click.command()
@click.argument("event", type=int, required=False)
@click.option("--since", "kept", metavar="FILE", help="Prove instead that the history goes on from this checkpoint; - for stdin.")
@click.pass_obj
def prove(session: Session, /, *, event: int | None, kept: str | None) -> None:
    """Print the proof that an event is in the history.

    Or, with --since, that the history goes on from a checkpoint. It is for somebody who has not got the store, and ends in the
    newest signed checkpoint there is. Whoever has the public key checks it with the verifier that lies in every sealed copy.

    Example: alertstore prove 1204 > event-1204.proof
    """
    from alertstore.cli.evidence import read_checkpoint  # noqa: PLC0415 - one of the two is asked for

    if (event is None) is (kept is None):
        message = "name an event by its number, or give --since"
        raise click.UsageError(message)
    with session.open("ro") as store:
        proof = store.prove(event) if event is not None else store.prove_extends(read_checkpoint(str(kept)))
    click.echo(proof.to_json())
    if proof.note is None:
        say("no signed checkpoint covers this: the proof ends in a root that the reader must have from elsewhere")


@click.command()
@click.argument("folder", type=click.Path())
@click.option("--sign", "key", metavar="KEY", type=click.Path(), help="Sign it with the store's key.")
@click.option("--reason", help="Why; kept in the history.")
@formatted
@click.pass_obj
def seal(session: Session, /, *, out: Output, folder: str, key: str | None, reason: str | None) -> None:
    """Make a sealed copy to hand over.

    A new folder with the store as one write-protected file, its MANIFEST, and a verifier that needs nothing but Python.

    Example: alertstore seal exhibit-7 --sign lab.key --reason "to the prosecutor"
    """
    signer = None if key is None else read_key(key)
    with session.open("rw") as store:
        manifest = store.seal(folder, key=signer, reason=reason)
    out.one(plain(manifest), "facts")
    say(f"sealed into {folder}; `python3 {Path(folder) / 'verify.py'}` checks it anywhere")


COMMANDS: dict[str, Callable[..., Any]] = {"keygen": keygen, "prove": prove, "seal": seal}
