"""Children that become an account and report: what of their reports is believed."""

import json
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands import children
from checkapoppw.errors import Deferred, LoginError, Refused
from checkapoppw.users import Account

from .conftest import UID


def account(uid: int = UID) -> Account:
    """An account without a home."""
    return Account(b"joe", uid, os.getegid() if os.geteuid() else uid, b"/", b"", b"")


def ids() -> dict[str, Any]:
    """What a child is."""
    return {"ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups()}


def die() -> NoReturn:
    """End early, as by a memory limit."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refuse() -> NoReturn:
    """End as a login may."""
    raise Refused("no-file", "no %s", b"/home/\xff%s")


@pytest.mark.root
def test_a_child_is_the_account() -> None:
    """The work is done with the account's ids and group, and none of ours."""
    [report] = children.as_account(account(), [ids])
    assert report == {"ids": [UID] * 6, "groups": [UID]}


def test_each_work_has_its_report() -> None:
    """In their order; a failure is one of them, and those behind it are done."""
    first, second, third = children.as_account(account(), [lambda: {"a": 1}, refuse, lambda: {"b": [None]}])
    assert (first, third) == ({"a": 1}, {"b": [None]})
    error = children.error_in(second)
    assert (type(error), error and error.reason) == (Refused, "no-file")
    assert error
    assert error.names == (b"/home/\xff%s",)


def test_an_early_end_is_temporary() -> None:
    """The work at which the child ended, and those behind it, have failed for the time being."""
    first, *others = children.as_account(account(), [lambda: {"a": 1}, die, lambda: {"b": 2}])
    assert first == {"a": 1}
    for report in others:
        error = children.error_in(report)
        assert (error and error.reason) == "child-failed"


def test_another_account_without_root() -> None:
    """Who is not root looks at nobody else's files."""
    if os.geteuid() == 0:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setuid(UID)
                [report] = children.as_account(account(UID + 1), [ids])
                code = 0 if report["reason"] == "not-root" else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
    else:
        [report] = children.as_account(account(UID + 1), [ids])
        assert report["reason"] == "not-root"


@given(st.binary())
def test_text(value: bytes) -> None:
    """Any bytes are text, and the same bytes again."""
    assert children.raw(children.text(value)) == value


@given(st.binary() | st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["code", "reason", "remedy", "names"]) | st.text(), inner)))
def test_any_report(data: Any) -> None:
    """Whatever a child says is a report, and its failure one that can be shown."""
    line = data if isinstance(data, bytes) else json.dumps(data).encode()
    error = children.error_in(children._understood(line))
    if error is not None:
        assert error.remedy % tuple(map(children.text, error.names)) is not None


@pytest.mark.parametrize("report", [
    {"reason": "x"}, {"reason": "x", "code": 1, "remedy": "%d", "names": ["a"]},
    {"reason": "x", "code": 1, "remedy": "%s", "names": []}, {"reason": ["x"], "code": 1, "remedy": "", "names": []},
    {"reason": "x", "code": [], "remedy": "", "names": []}, {"reason": "x", "code": 0, "remedy": "", "names": []},
    {"reason": "x", "code": 1, "remedy": "%s", "names": [1]},
])
def test_reports_of_another_form(report: dict[str, Any]) -> None:
    """A failure that is not of our form is a child's that is not to be believed."""
    error = children.error_in(report)
    assert isinstance(error, Deferred)
    assert error.reason == "child-failed"


def test_a_failure_and_back() -> None:
    """failure() and error_in() are each other's inverse."""
    for kind in (Refused, Deferred):
        error: LoginError | None = kind("file-mode", "chmod 600 %s", b"\xff'\n")
        assert error
        again = children.error_in(children.failure(error))
        assert again
        assert (type(again), again.reason, again.remedy, again.names) == (
            type(error), error.reason, error.remedy, error.names
        )


def test_no_child_is_left(tmp_path: Path) -> None:
    """When the reports have been read, the child is gone and waited for."""
    list(children.as_account(account(), [dict]))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
