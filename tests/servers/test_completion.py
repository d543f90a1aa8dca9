"""Completion in the real shells: what they make of the files that `make install` has put there, at a terminal."""

import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from checkapoppw.commands.installed import COMPLETIONS, PEOPLES

from .conftest import need

LISTED = b"--help"


def environment(prefix: Path, home: Path) -> dict[str, str]:
    """A user's, with the installed commands first in PATH."""
    return {
        "PATH": f"{prefix}/bin:{os.environ['PATH']}", "HOME": str(home), "TERM": "vt100", "LC_ALL": "C.UTF-8",
        "XDG_DATA_DIRS": f"{prefix}/share:/usr/share",
    }


def typed(command: list[str], environ: dict[str, str], lines: bytes, awaited: bytes) -> bytes:
    """What a shell shows at a terminal once some lines were typed, up to what is awaited, for ten seconds at most."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execvpe(command[0], command, environ)
        finally:
            os._exit(127)
    shown, end = b"", time.monotonic() + 10
    os.write(terminal, lines)
    try:
        while awaited not in shown and select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            shown += os.read(terminal, 4096)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown


@pytest.mark.parametrize("name", PEOPLES)
def test_bash(prefix: Path, tmp_path: Path, name: str) -> None:
    """bash lists the options."""
    need("bash")
    file = prefix / COMPLETIONS["bash"].format(name=name)
    lines = f"bind 'set show-all-if-ambiguous on'; . \"$FILE\"\n{name} --\t".encode()
    environ = environment(prefix, tmp_path) | {"FILE": str(file)}
    assert LISTED in typed(["bash", "--norc", "--noprofile", "-i"], environ, lines, LISTED)


@pytest.mark.parametrize("name", PEOPLES)
def test_zsh(prefix: Path, tmp_path: Path, name: str) -> None:
    """zsh finds the file in its fpath by itself, and lists the options."""
    need("zsh")
    directory = (prefix / COMPLETIONS["zsh"].format(name=name)).parent
    lines = f'fpath=("$DIRECTORY" $fpath); autoload -U compinit; compinit -u -D\n{name} --\t'.encode()
    environ = environment(prefix, tmp_path) | {"DIRECTORY": str(directory)}
    assert LISTED in typed(["zsh", "-f", "-i"], environ, lines, LISTED)


@pytest.mark.parametrize("name", PEOPLES)
def test_fish(prefix: Path, tmp_path: Path, name: str) -> None:
    """fish finds the file below XDG_DATA_DIRS by itself, and lists the options."""
    need("fish")
    command = ["fish", "--command", f"complete --do-complete '{name} --'"]
    environ = environment(prefix, tmp_path)
    listed = subprocess.run(command, env=environ, capture_output=True, check=True, timeout=20).stdout
    assert LISTED + b"\t" in listed
