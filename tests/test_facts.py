"""Each fact is in one list, and what must follow it does: code that names the same things, and the documents.

Where something is missing, the comparison that fails names the place.
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from checkapoppw import (
    apopfile,
    control,
    digests,
    hashes,
    hints,
    libcrypt,
    log,
    pbkdf2,
    process,
    request,
    schemes,
    settings,
    stages,
    users,
)
from checkapoppw.commands import check, installed
from checkapoppw.commands.doctor import resources
from checkapoppw.commands.errors import Trouble
from checkapoppw.commands.explain.explainer import KEYS
from checkapoppw.commands.passwords import newhash, policy
from checkapoppw.sources import Sources

from . import schemes as doveadms
from .conftest import SOURCE

PACKAGE = SOURCE / "checkapoppw"
MODULES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
PAGES = sorted((SOURCE / "man").iterdir())
# qmail's, and other programs' that the documents speak of
OTHERS_CONTROL_FILES = {"envnoathost", "rcpthosts", "servercert", "spamdyke"}


def page(name: str) -> str:
    """A manual page's source."""
    return (SOURCE / "man" / name).read_text("ascii")


def section(name: str, title: str) -> str:
    """A section of a manual page."""
    return page(name).partition(f".Sh {title}\n")[2].partition("\n.Sh ")[0]


def items(text: str, macro: str) -> list[str]:
    """The tags of lists that a macro marks, those of one line too."""
    lines = re.findall(rf"^\.It {macro} (.+)$", text, re.MULTILINE)
    return [word for line in lines for word in re.split(r" , | No | Ns ", line)]


def test_settings() -> None:
    """A setting is an attribute with a default, and an entry in ENVIRONMENT; the doctor knows it by the same list."""
    environment = section("checkapoppw.8", "ENVIRONMENT").partition("\nThese variables of the caller")[0]
    assert {
        "attributes of Settings": {attribute for attribute, _ in settings.SETTINGS.values()},
        "checkapoppw(8)": {name.encode() for name in items(environment, "Ev")},
    } == {"attributes of Settings": set(settings.Settings.__slots__), "checkapoppw(8)": set(settings.SETTINGS)}
    assert {value for attribute in settings.Settings.__slots__
            if (value := getattr(settings.Settings(), attribute, None)) is None} == set()


def test_hints() -> None:
    """What callers tell is in ENVIRONMENT, and narrows to mechanisms and services that there are."""
    environment = section("checkapoppw.8", "ENVIRONMENT")
    names = {name.decode() for _, those in hints.LOGGED for name in those}
    assert {name for name in names if name not in environment} == set()
    methods = {*hints._SMTP_METHODS.values(), *hints._POP_METHODS.values()}
    assert methods <= set(digests.MECHANISMS)
    assert {*hints._PORTS.values(), *hints._SERVICES.values()} == set(hints.SERVICES)


def test_control_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control file that is read is in a list of control.py, and one that is listed is read, and in a manual page."""
    asked: set[bytes] = set()

    class Noting(Sources):
        def beginning(self, name: bytes, _: int = 0) -> bytes | None:
            asked.add(name)
            return b"x" if name == b"me" else None

    (tmp_path / "control").mkdir()
    host = Noting(bytes(tmp_path))
    host.domains()
    host.default_delivery()
    stages.see_unlocked(users.Account(b"joe", 1, 1, b"/", b"", b""), host, {"local": b"joe"})
    assert asked == {*control.LISTS, *control.LINES, control.LOCKED}
    monkeypatch.setenv("QMAIL_ROOT", str(tmp_path))
    for name, reader in zip(control.FOR_PASSWORDS, (_scheme, policy.least_strength), strict=True):
        (tmp_path / "control" / name.decode()).write_text("none such\n")
        with pytest.raises(Trouble, match=name.decode()):
            reader()
    listed = {name.decode() for name in control.LISTS + control.LINES + control.FOR_PASSWORDS + (control.LOCKED,)}
    files = section("checkapoppw.8", "FILES") + section("apoppasswd.1", "FILES")
    assert set(re.findall(r"control/(\w+)", files)) == listed
    named = {
        name for path in [*MODULES, *PAGES, SOURCE / "README.auth-ext", *(SOURCE / "doc").iterdir()]
        for name in re.findall(r"\bcontrol/([a-z]+)\b", path.read_text("utf-8"))
    }
    assert named - OTHERS_CONTROL_FILES == listed


def _scheme() -> object:
    return policy.scheme(newhash.SCHEMES)


def test_schemes() -> None:
    """A scheme has a module that verifies it, is in apop(5), and in doveadm's vectors; no other is written."""
    served = {scheme.decode(): (mechanisms, module) for scheme, (mechanisms, module) in schemes.SCHEMES.items()}
    hashed = {scheme for scheme, (_, module) in served.items() if module}
    table = page("apop.5").partition(".Ss Schemes\n")[2].partition("\n.El\n")[0]
    entries = re.findall(r"^\.It (?:No none , )?Cm (.+)\n((?:(?!\.It ).*\n?)+)", table, re.MULTILINE)
    documented = {scheme: text for names, text in entries for scheme in re.split(r" , (?:Cm )?", names)}
    assert {
        "clear text in apopfile.py": {scheme.decode() for scheme in apopfile._PLAIN},
        "KINDS in hashes.py": {scheme.decode() for scheme in hashes.KINDS},
        "SCHEMES in libcrypt.py": {scheme.decode() for scheme in libcrypt.SCHEMES},
        "crammd5.py": {"CRAM-MD5"},
        "apop(5)": set(documented),
        "newhash.py": {name.upper() for name in newhash.SCHEMES} - set(served),
        "vectors/schemes.json": {name.decode() for name, _, _ in doveadms.LINES},
    } == {
        "clear text in apopfile.py": set(served) - hashed,
        "KINDS in hashes.py": {scheme for scheme, (_, module) in served.items() if module == "hashes"},
        "SCHEMES in libcrypt.py": {scheme for scheme, (_, module) in served.items() if module == "libcrypt"},
        "crammd5.py": {scheme for scheme, (_, module) in served.items() if module == "crammd5"},
        "apop(5)": set(served),
        "newhash.py": set(),
        "vectors/schemes.json": hashed,
    }
    for scheme, (mechanisms, _) in served.items():
        besides = [name.upper() for name in mechanisms if name != "plain"]
        assert {name for name in besides if name not in documented[scheme]} == set(), f"apop(5), {scheme}"
        assert ("Serves" in documented[scheme]) == bool(besides), f"apop(5), {scheme}"
    assert {name for name in newhash.SCHEMES if name not in page("apoppasswd.1")} == set()
    memory = (SOURCE / "README.auth-ext").read_text("ascii").partition("\n7. ")[2].partition("\n8. ")[0]
    assert {scheme for scheme in hashed if f"{{{scheme}}}" not in memory} == set(), "README.auth-ext, section 7"
    for scheme in (*hashed, "CRAM-MD5"):
        enough = resources.memory_of(scheme)
        assert re.search(rf"\{{{scheme}\}}.* {enough} MB", memory), "README.auth-ext, section 7"
    assert f"{resources.MEMORY} MB of" in page("checkapoppw.8")
    assert f"softlimit -m {resources.MEMORY}000000 " in memory
    for path in (*(SOURCE / "examples").glob("*/run"), SOURCE / "man" / "checkapoppw.8"):
        for limit in re.findall(r"softlimit -[am] (\d+)", path.read_text("ascii")):
            assert int(limit) >= max(map(resources.memory_of, hashed)) * 1_000_000, path


def test_mechanisms() -> None:
    """A mechanism is in CHECKAPOPPW_MECHANISMS; one with a digest can be checked by apopctl, and has its shape."""
    listed = section("checkapoppw.8", "ENVIRONMENT").partition("CHECKAPOPPW_MAX_AGE")[0]
    assert {name for name in digests.MECHANISMS if not re.search(rf"\.Cm (.* )?{name}\b", listed)} == set()
    assert settings.Settings().mechanisms == digests.MECHANISMS
    assert [*digests.DIGESTS, "plain"] == [name for name in (*digests.DIGESTS, "plain") if name in check.MECHANISMS]
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    for name, (digest, length, orders) in digests.DIGESTS.items():
        answer = check.response(name, b"tanstaaf", challenge)
        assert (digest(challenge, b"tanstaaf"), len(answer)) == (answer, length)
        # A caller that writes it is understood, and the reading is tried.
        for order in orders:
            fields = [answer, challenge] if order == "rc" else [challenge, answer]
            assert request.parse_fields(b"\0".join([b"joe", *fields, b""])).order == order
    assert {name for mechanisms, _ in schemes.SCHEMES.values() for name in mechanisms} == set(digests.MECHANISMS)


def test_services() -> None:
    """A service that for= may name is in apop(5) and apoppasswd(1), with the ports that tell it in checkapoppw(8)."""
    for service in (name.decode() for name in hints.SERVICES):
        assert re.search(rf"^\.(Cm|Pq) (.*, )?{service}\b", page("apop.5"), re.MULTILINE), "apop(5)"
        assert service in page("apoppasswd.1"), "apoppasswd(1)"
        assert f".Cm {service}" in section("checkapoppw.8", "ENVIRONMENT"), "checkapoppw(8)"
    assert {port for port in hints._PORTS if port.decode() not in section("checkapoppw.8", "ENVIRONMENT")} == set()


def test_fields_of_the_log() -> None:
    """The fields are in DIAGNOSTICS, in their order."""
    fields = section("checkapoppw.8", "DIAGNOSTICS").partition(".It Cm result\n")[2].partition("\n.El\n")[0]
    assert ["result", *items(fields, "Cm")] == [*log.FIELDS]


def test_keys_of_explain() -> None:
    """Each key of explain's records is in apopctl(8)."""
    assert {key for key in KEYS if not re.search(rf"\b{key}\b", page("apopctl.8"))} == set()


ROUNDED = 1000  # what a scheme's rounds are rounded down to in apop(5)


@pytest.mark.parametrize(("name", "words"), [
    ("checkapoppw.8", f"at most {request.LIMIT} bytes"),
    ("checkapoppw.8", f"more than {log.LONGEST_VALUE} characters"),
    ("checkapoppw.8", f"takes {process.PATIENCE} seconds"),
    ("checkapoppw.8", f"Seconds, at most {settings.LONGEST_DELAY},"),
    ("checkapoppw.8", f"more than {apopfile.LARGEST} bytes"),
    ("checkapoppw.8", f"The default is {settings.Settings().fail_delay}."),
    ("checkapoppw.8", f"The default is {settings.Settings().max_age}."),
    ("apop.5", f"at most {apopfile.LARGEST} bytes"),
    ("apop.5", f"may take {schemes.LIMIT / 1_000_000} seconds together"),
    ("apop.5", f"{hashes._MOST_MEMORY} KiB"),
    ("apop.5", f"{hashes._MOST_LANES} threads"),
    ("apop.5", f"must have {hashes._FEWEST_SCRAM} iterations"),
    ("apop.5", f"Of a password {newhash._LONGEST_BCRYPT} bytes count"),
    ("apop.5", f"counted for {libcrypt.USUAL} bytes"),
    ("checkapoppw.8", f"is limited to {schemes.LIMIT / 1_000_000} seconds"),
    *(("apop.5", f"{int((schemes.LIMIT - module._LEAST) / step) // ROUNDED * ROUNDED} ") for module, step in (
        (libcrypt, libcrypt._SHA512), (libcrypt, libcrypt._SHA256), (hashes, pbkdf2.STEP),
        (hashes, hashes._ARGON2))),
])
def test_limits(name: str, words: str) -> None:
    """A limit that stands in a manual page is the constant's value."""
    text = re.sub(r"\n\.(Cm|Pq|Ev|Fl|Ql|Xr) ", " ", page(name))
    assert words in " ".join(text.split())


def test_maps() -> None:
    """Each package's docstring names every module that is in it."""
    for path, tree in MODULES.items():
        if path.name == "__init__.py":
            words = ast.get_docstring(tree) or ""
            beside = [one for one in path.parent.iterdir() if one.suffix == ".py" and one != path]
            assert {one.name for one in beside if not re.search(rf"\b{one.stem}(\.py)?\b", words)} == set()
            packages = [one.parent.name for one in path.parent.glob("*/__init__.py")]
            assert {name for name in packages if f"{name}/" not in words} == set()


def test_no_citation_leads_nowhere() -> None:
    """A document that is cited is in the tree, and so are the rule and the section."""
    documents = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.md") if ".venv" not in path.parts}
    rules = {
        f"doc/{path.name}": set(re.findall(r"\*\*([CM]\d+)\*\*", path.read_text("utf-8")))
        for path in (SOURCE / "doc").iterdir()
    }
    chapters = set(re.findall(r"^(\d+)\. [A-Z]", (SOURCE / "README.auth-ext").read_text("ascii"), re.MULTILINE))
    texts = [path for name in ("checkapoppw", "packaging", "tests", "bench", "examples", "man", "doc", ".ci")
             for path in (SOURCE / name).rglob("*") if path.is_file()]
    texts = [path for path in texts if path.suffix not in (".pyc", ".json", ".jsonl")]
    texts += [path for path in SOURCE.iterdir() if path.is_file() and not path.name.startswith((".git", ".cov"))]
    for path in texts:
        text = path.read_text("utf-8")
        assert set(re.findall(r"[\w/]*\w\.md\b", text)) <= documents, path
        for document, cited in re.findall(r"(doc/\w+\.md),\s((?:[CM]\d+(?:, | and | to )?)+)", text):
            assert set(re.findall(r"[CM]\d+", cited)) <= rules[document], path
        assert set(re.findall(r"README\.auth-ext, section (\d+)", text)) <= chapters, path


def test_names_in_the_documents() -> None:
    """A module's name in CONTRIBUTING.md or doc/ is one that it has; a file that the table names is there."""
    modules = {path.stem: path for path in [*MODULES, SOURCE / "packaging" / "install.py"] if path.stem != "__init__"}
    for path in (SOURCE / "CONTRIBUTING.md", *(SOURCE / "doc").iterdir()):
        text = path.read_text("utf-8")
        for module, name in re.findall(r"(?<![\w/])([a-z]\w+)\.([A-Za-z_]\w+)\b", text):
            if module in modules and name not in ("py", "c", "md", "json"):
                assert re.search(rf"\b{name}\b", modules[module].read_text("utf-8")), f"{path.name}: {module}.{name}"
    table = (SOURCE / "CONTRIBUTING.md").read_text("utf-8").partition("## Where to make a change\n")[2]
    for name in re.findall(r"[\w/]+\.(?:py|json)\b", table):
        assert [*SOURCE.glob(f"**/{name}")], name
    for name in re.findall(r"\btest_[a-z0-9]+\b", table):
        assert [*SOURCE.glob(f"tests/**/{name}.py")], name


def test_pages_are_named() -> None:
    """README.md and README.auth-ext, where people begin, name every manual page."""
    for name in ("README.md", "README.auth-ext"):
        text = (SOURCE / name).read_text("utf-8")
        assert {path.name for path in PAGES if f"{path.stem}({path.suffix[1:]})" not in text} == set(), name


def test_oldest_python() -> None:
    """What pip, make and the README say of the oldest Python is what the doctor asks for."""
    oldest = ".".join(map(str, installed.OLDEST_PYTHON))
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["requires-python"] == f">={oldest}"
    assert project["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"\nOLDEST = {', '.join(map(str, installed.OLDEST_PYTHON))}\n" in (SOURCE / "Makefile").read_text("ascii")
    for name in ("README.auth-ext", "CONTRIBUTING.md"):
        assert oldest in (SOURCE / name).read_text("utf-8"), name


def imported(path: Path, tree: ast.Module) -> set[str]:
    """The modules of the package that one imports at any time, but for type checkers."""
    name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
    typing = {
        node for test in ast.walk(tree) if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in typing:
            base = ".".join(inside.split(".")[: len(inside.split(".")) - node.level + 1])
            base = f"{base}.{node.module}" if node.module else base
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if _is_module(whole) else base)
    return found - {name}


def _is_module(name: str) -> bool:
    path = SOURCE.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_no_import_circle() -> None:
    """No module needs itself, by whatever way and however late the others are imported."""
    graph = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): imported(path, tree)
        for path, tree in MODULES.items()
    }
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name, needs in graph.items() if name not in done and needs - {"checkapoppw"} <= done}
        assert ready, f"in circles: {sorted(set(graph) - done)}"
        done |= ready
