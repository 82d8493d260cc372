"""`python -m alertstore`, and the `alertstore` command."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from alertstore.errors import MissingExtraError


def main() -> None:
    """Run the command line; where its packages are missing, say so in one sentence."""
    if not all(find_spec(package) for package in ("click", "rich")):
        missing = MissingExtraError("the command line", "cli")
        sys.exit(f"alertstore: {missing}; {missing.advice}")
    from alertstore.cli import command  # noqa: PLC0415 - click and rich are an extra

    command()


if __name__ == "__main__":
    main()
