"""Node 22, installed once by npm: what Shopify's templates ask for."""

from pathlib import Path

from servers.discovery import built, need, program, run_to_end

VERSION = "22"


def node() -> Path:
    """Return the program.

    Raises:
        NoServerError: If npm is missing or fails.
    """
    need(("npm",), ())
    folder = built(f"node{VERSION}", [Path(__file__)], _install)
    return folder / "node_modules" / "node" / "bin" / "node"


def _install(folder: Path) -> None:
    npm = program("npm")
    assert npm is not None
    run_to_end(
        npm, "install", "--no-package-lock", "--no-audit", "--no-fund", f"node@{VERSION}",
        directory=folder,
    )  # fmt: skip
