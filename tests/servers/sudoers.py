"""The lines of examples/sudoers on this machine, for as long as a test needs them."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..conftest import SOURCE

# Has no rights, and is known to every passwd file, which sudo asks for its caller's name.
CALLER = "nobody"


@contextmanager
def permitted(names: Mapping[str, Path]) -> Iterator[list[str]]:
    """The command line that sudo permits CALLER meanwhile.  names: what the example names, and what is there here"""
    text = (SOURCE / "examples" / "sudoers").read_text()
    for name, here in {**names, "qmaild": CALLER}.items():
        assert name in text, f"examples/sudoers has no {name}"
        text = text.replace(name, str(here))
    installed = Path(f"/etc/sudoers.d/checkapoppw-test-{os.getpid()}")
    try:
        # not read before it is checked: sudo passes over names with a dot
        draft = installed.with_suffix(".draft")
        draft.write_text(text)
        draft.chmod(0o440)
        try:
            subprocess.run(["visudo", "-cqf", draft], check=True)
        except BaseException:
            draft.unlink()
            raise
        draft.rename(installed)
        subprocess.run(["visudo", "-cq"], check=True)
        pinned = text.replace("\\\n", " ").partition("NOPASSWD:")[2]
        yield shlex.split(re.sub(r"\\([,=])", r"\1", pinned))
    finally:
        installed.unlink(missing_ok=True)
