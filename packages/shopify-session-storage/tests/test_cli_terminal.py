"""The command as a process: on terminals of any width, in pipes, and in the process list."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .cli_runs import ACCESS, REFRESH, offline, online, store, url_of

pty = pytest.importorskip("pty", reason="there are no terminals on Windows")

COMMAND = [sys.executable, "-m", "shopify_session_storage"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("terminal") / "sessions.db"
    never = {"expires": None, "refresh_token": None, "refresh_token_expires": None}
    sessions = [offline(f"a-shop-{n}", **never) for n in range(40)]
    store(path, *sessions, online("日本の店"))
    return path


def on_terminal(width, *words, keys="", **environment):
    """Run the command on a terminal. Return its exit code and what is on the screen."""
    import fcntl
    import struct
    import termios

    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    variables = {**os.environ, "TERM": "xterm", **environment}
    variables.pop("COLUMNS", None)  # would count for more than the terminal's own width
    process = subprocess.Popen(
        [*COMMAND, *words], stdin=terminal, stdout=terminal, stderr=terminal, env=variables
    )
    os.close(terminal)
    os.write(screen, keys.encode())
    seen = b""
    while True:
        try:
            some = os.read(screen, 65536)
        except OSError:  # it has ended
            break
        if not some:
            break
        seen += some
    os.close(screen)
    return process.wait(), seen.decode()


def columns(line):
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)


@pytest.mark.parametrize("width", [30, 80, 160])
def test_a_table_fits_the_terminal(width, path):
    code, seen = on_terminal(width, "list", url_of(path))
    lines = seen.replace("\r\n", "\n").split("\n")
    assert code == 0
    assert lines[0].startswith("ID")
    assert max(map(columns, lines)) <= width
    assert ("TOKEN" in lines[0]) == (width == 160)


@pytest.mark.parametrize("width", [50, 80])
def test_findings_are_wrapped(width, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    code, seen = on_terminal(width, "doctor", "sqlite:///sessions.db", NO_COLOR="1")
    assert code == 0
    assert "\x1b" not in seen
    lines = seen.replace("\r\n", "\n").split("\n")
    assert max(len(line.rpartition("\r")[2]) for line in lines) <= width


def test_colours_are_for_terminals(path):
    assert "\x1b[33mwarn" in on_terminal(80, "doctor", url_of(path))[1]
    assert "\x1b" not in on_terminal(80, "doctor", url_of(path), TERM="dumb")[1]
    piped = subprocess.run([*COMMAND, "doctor", url_of(path)], capture_output=True, text=True)
    assert "\x1b" not in piped.stdout + piped.stderr
    assert "\r" not in piped.stdout + piped.stderr


def test_progress_is_shown_on_a_terminal(path, tmp_path):
    words = ["copy", url_of(path), url_of(tmp_path / "new.db"), "--resume", str(tmp_path / "s")]
    code, seen = on_terminal(60, *words)
    assert code == 0
    assert "41 copied, " in seen
    assert seen.rstrip().endswith("41")


def test_tokens_are_revealed_after_a_yes(path):
    words = ["show", url_of(path), "offline_a-shop-1.myshopify.com", "--reveal"]
    code, seen = on_terminal(100, *words, keys="y\n")
    assert (code, ACCESS in seen) == (0, True)
    code, seen = on_terminal(100, *words, keys="\n")
    assert (code, ACCESS in seen) == (1, False)


def test_a_reader_that_leaves_ends_it_in_silence(tmp_path):
    path = tmp_path / "many.db"
    store(path, *(offline(f"shop-{n}") for n in range(3000)))
    with subprocess.Popen(
        [*COMMAND, "list", url_of(path)], stdout=-1, stderr=-1, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 141


@pytest.mark.parametrize("stream", [1, 2])
def test_a_closed_output_is_no_bug(path, stream):
    command = shlex.join([*COMMAND, "list", url_of(path)])
    done = subprocess.run(["sh", "-c", f"exec {command} {stream}>&-"], capture_output=True)
    assert done.returncode == 0
    assert not done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_told(path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "list", url_of(path)], stdout=full, stderr=-1, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("shopify-sessions: cannot write the output: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux")
def test_no_password_stands_in_the_list_of_processes():
    """The server is a socket that never answers, so the command is there to be looked at."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://user:pa55word@127.0.0.1:{server.getsockname()[1]}/app"
        process = subprocess.Popen([*COMMAND, "list", url], stdout=-1, stderr=-1, text=True)
        connection, _ = server.accept()  # it connects, so it has begun
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        connection.close()
    assert b"env:SHOPIFY_SESSIONS_URL_1" in shown
    assert b"pa55word" not in shown
    assert (process.returncode, err) == (130, "shopify-sessions: interrupted\n")


def test_it_starts_quickly_enough_and_core_does_not_pay_for_it():
    program = "import sys, shopify_session_storage; print([n for n in sys.modules if '.cli' in n])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_what_python_writes_in_another_encoding_is_no_failure(path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*COMMAND, "list", url_of(path)], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(token in done.stdout for token in (ACCESS, REFRESH))
