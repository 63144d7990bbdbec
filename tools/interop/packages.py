"""The packages of ``package.json``, installed once by npm."""

from pathlib import Path

from servers.discovery import built, need, program, run_to_end

HERE = Path(__file__).parent
PACKAGES = HERE / "package.json"


def installed_packages() -> Path:
    """Return the folder with the packages of ``package.json``, for ``NODE_PATH``.

    Raises:
        NoServerError: If Node is missing, or npm fails.
    """
    need(("node", "npm"), ())
    return built("interop", [PACKAGES], _install) / "node_modules"


def _install(folder: Path) -> None:
    (folder / PACKAGES.name).write_bytes(PACKAGES.read_bytes())
    npm = program("npm")
    assert npm is not None
    # Prisma's scripts would download engines that nothing here uses.
    run_to_end(
        npm, "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund",
        directory=folder,
    )  # fmt: skip
    # Where it cannot be downloaded it is compiled: SQLite takes 5 s, and optimized a minute.
    run_to_end(npm, "rebuild", "sqlite3", directory=folder, CFLAGS="-O0")
