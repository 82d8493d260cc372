"""`python -m alertstore`, and the `alertstore` command."""

from __future__ import annotations

import sys

from alertstore.errors import MissingExtraError


def main() -> None:
    """Run the command line; where its packages are missing, say so in one sentence."""
    try:
        from alertstore.cli import command  # noqa: PLC0415 - click and rich are an extra
    except ModuleNotFoundError as fault:
        if fault.name not in {"click", "rich"}:
            raise
        missing = MissingExtraError("the command line", "cli")
        sys.exit(f"alertstore: {missing}; {missing.advice}")
    command()


if __name__ == "__main__":
    main()
