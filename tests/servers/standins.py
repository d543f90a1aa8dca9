"""The programs of callers/ as commands, in the place of a real qmail's: a directory of qmail with its bin/."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from ..host import interpreter

# Name in bin/: module of callers/, and what to do there with the command line
PROGRAMS = {
    "qmail-popup": ("popup", "main(argv)"),
    "notqmail-popup": ("popup", "main(argv, notqmail=True)"),
    "qmail-pop3d": ("maildir", "pop3d(argv)"),
    "bincimap-up": ("imapd", "main(argv)"),
    "bincimapd": ("maildir", "imapd(argv)"),
    "smtpd-fehcom": ("smtpd", "Fehcom(argv, root).serve()"),
    "smtpd-fehcom-without-cram": ("smtpd", "FehcomWithoutCram(argv, root).serve()"),
    "smtpd-sagredo": ("smtpd", "Sagredo(argv, root).serve()"),
    "smtpd-0.31": ("smtpd", "Dabrowski(argv, root).serve()"),
    "smtpd-jms1": ("smtpd", "Jms1(argv, root).serve()"),
    "Qsmtpd": ("smtpd", "Qsmtp(argv, root).serve()"),
    "authup-smtp": ("smtpd", "Authup(argv, root).serve()"),
    "authup-pop3": ("popup", "main(argv, authup=True)"),
    "ofmipup": ("smtpd", "Ofmipup(argv, root).serve()"),
    "tmda-ofmipd": ("smtpd", "TmdaOfmipd(argv, root).serve()"),
    "smtpd-indimail": ("smtpd", "Indimail(argv, root).serve()"),
    "spamdyke": ("smtpd", "Spamdyke(argv, root).serve()"),
}


def install(root: Path) -> None:
    """Put the stand-ins into `root`/bin, where every uid can run them: the checkout may be nobody else's to read."""
    library = root / "lib"
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(__file__).parent / "callers", library / "callers", ignore=compiled)
    subprocess.run([interpreter(), "-m", "compileall", "-q", library], check=True)
    (root / "bin").mkdir()
    for name, (module, call) in PROGRAMS.items():
        lines = [
            "import sys", f"sys.path.insert(0, {str(library)!r})", f"argv = [{name!r}, *sys.argv[1:]]",
            f"root = {str(root)!r}", f"from callers.{module} import *", call,
        ]
        launcher = root / "bin" / name
        launcher.write_text(f'#!/bin/sh\nexec {interpreter()} -ISB -c {shlex.quote(chr(10).join(lines))} "$@"\n')
        launcher.chmod(0o755)
    for directory in (library, *library.rglob("*")):
        directory.chmod(0o755 if directory.is_dir() else 0o644)
    queue = root / "queue"
    queue.mkdir()
    os.chmod(queue, 0o1777)
