"""One place that finds a server for each backend.

In this order: an address in an environment variable; a container, where a Docker engine runs; a
private instance, started from a local binary on a free loopback port in a temporary directory,
whose binary is installed if that is one call of the package manager. Where there is neither, it
says what to install.
"""

import functools
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # on Windows several processes may build the same
    fcntl = None  # type: ignore[assignment]

USER = "tester"
PASSWORD = "p&#$ss:wo/rd@%"  # a test that every adapter passes: credentials need escaping
DATABASE = "sessions&#$"
START_SECONDS = 60
# A server that lives for minutes earns back neither its optimized code nor a collector's threads.
SHORT_LIVED_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
BUILT = Path(__file__).resolve().parents[2] / ".servers"


class NoServerError(Exception):
    """No server can be found or started; the message says what to install."""


@dataclass(frozen=True)
class Server:
    """How to get one backend's server.

    Attributes:
        name: The backend, as in ``--without NAME``.
        variable: The environment variable that may hold the URL of a running server, on which
            the tests may create and drop what they like.
        container: Runs one in Docker and gives its URL.
        local: Runs one from local binaries, in an empty directory, and gives its URL; further
            arguments are settings of the server, where it has any.
        programs: The binaries that *local* runs.
        debian_packages: What to install for them; none if Debian's own are no use.
    """

    name: str
    variable: str
    container: Callable[[], AbstractContextManager[str]]
    local: Callable[..., AbstractContextManager[str]]
    programs: tuple[str, ...]
    debian_packages: tuple[str, ...]

    @contextmanager
    def run(self, *settings: str) -> Iterator[str]:
        """Give the URL of a server for as long as the context lasts.

        Args:
            settings: For a server that is started from local binaries.

        Raises:
            NoServerError: If there is none and none can be started.
        """
        url = os.environ.get(self.variable)
        if url:
            yield url
        elif docker_runs():
            with self.container() as url:
                yield url
        else:
            try:
                need(self.programs, self.debian_packages)
            except NoServerError as error:
                raise NoServerError(
                    f"no server for {self.name}: set {self.variable}, start Docker, or {error}; "
                    f"to go without it, say --without {self.name}"
                ) from None
            with tempfile.TemporaryDirectory(prefix=f"{self.name}-") as directory:
                Path(directory).chmod(0o755)
                with self.local(Path(directory), *settings) as url:
                    yield url


def need(programs: Sequence[str], debian_packages: Sequence[str]) -> None:
    """Install the packages of *programs* if they are missing and that is one call.

    Raises:
        NoServerError: If they are still missing; the message says what to install.
    """
    missing = [name for name in programs if program(name) is None]
    if missing and debian_packages and shutil.which("apt-get") and os.geteuid() == 0:
        BUILT.mkdir(exist_ok=True)
        with _alone(BUILT / "apt-get.lock"):
            missing = [name for name in programs if program(name) is None]
            if missing:  # no other worker was faster
                print(f"Installing {' '.join(debian_packages)} ...", file=sys.stderr, flush=True)
                install_debian_packages(debian_packages)
        missing = [name for name in programs if program(name) is None]
    if missing:
        debian = f" (on Debian and Ubuntu: apt-get install {' '.join(debian_packages)})"
        raise NoServerError(f"install {' '.join(missing)}{debian if debian_packages else ''}")


def built(name: str, sources: Sequence[Path], build: Callable[[Path], None]) -> Path:
    """Return the folder with what *build* makes of *sources*, made once for their contents.

    It is below ``.servers`` in the project, which Git ignores.

    Args:
        name: The folder's name.
        sources: The files that *build* works from.
        build: Fills an empty folder.

    Raises:
        NoServerError: If a command of *build* fails; the message has the end of its output.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    folder = BUILT / f"{name}-{digest[:12]}"
    if folder.exists():
        return folder
    BUILT.mkdir(exist_ok=True)
    with _alone(BUILT / f"{folder.name}.lock"):
        if folder.exists():  # another worker was faster
            return folder
        print(f"Building {name}, once, in {folder.parent.name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=BUILT) as directory:
            place = Path(directory) / name
            place.mkdir()
            try:
                build(place)
            except subprocess.CalledProcessError as error:
                output = "\n".join(str(error.output or "").splitlines()[-20:])
                raise NoServerError(f"{name} cannot be built:\n{output}") from None
            # Another process may have been faster.
            with suppress(OSError):
                place.rename(folder)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is inside with the same file."""
    with lock.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_to_end(*command: str, directory: Path, **variables: str) -> None:
    """Run a command of a build, with further variables in its environment.

    Raises:
        subprocess.CalledProcessError: If it fails; it has the output.
    """
    subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **variables},
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_until(answers: Callable[[], bool], what: str) -> None:
    """Wait until a server in a container answers.

    Raises:
        NoServerError: If it does not in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise NoServerError(f"{what} does not answer")
        time.sleep(0.2)


@functools.cache
def docker_runs() -> bool:
    """Tell whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def program(name: str) -> str | None:
    """Return the path of a binary, also where Debian keeps it away from PATH."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    places += map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    return shutil.which(name, path=os.pathsep.join(places))


@functools.cache
def _update_debian_lists() -> None:
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)


def install_debian_packages(names: Sequence[str]) -> None:
    """Install Debian packages."""
    _update_debian_lists()
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
        check=False,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str],
    *,
    directory: Path,
    answers: Callable[[], bool],
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it answers until the context ends.

    Args:
        command: The program and its arguments.
        directory: Where to run it and to keep its log.
        answers: Tells whether it takes connections.
        user: The account to run it under, for servers that refuse to run as root.

    Raises:
        NoServerError: If it ends or does not answer in time; the message has the log's end.
    """
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=directory, stdout=output, stderr=subprocess.STDOUT, user=user
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise NoServerError(f"{command[0]} does not start:\n{tail}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def talking(
    command: Sequence[str], *, environment: Mapping[str, str], errors: IO[str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program that reads requests and writes answers, and ends when its input is closed."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def accepts(port: int) -> bool:
    """Tell whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
