"""commands.reports: dictionaries from children that look as accounts."""

import json
import os
import signal
from typing import Any, NoReturn

from hypothesis import given
from hypothesis import strategies as st

from checkapoppw.commands import reports
from checkapoppw.errors import Refused
from checkapoppw.users import Account

from .conftest import UID


def account() -> Account:
    """An account without a home."""
    return Account(b"joe", UID, os.getegid() if os.geteuid() else UID, b"/", b"", b"")


def refuse(report: reports.Report) -> NoReturn:
    """End as a login may, with something found before."""
    report["found"] = [1, None]
    raise Refused("no-file", "no %s", b"/home/\xff%s")


def die(_: reports.Report) -> NoReturn:
    """End early, as by a memory limit."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_each_visit_has_its_report() -> None:
    """What was found before a failure is in the report beside it; where a child died there is none."""
    works: list[reports.Work] = [lambda report: report.update(a=1), refuse, die, refuse]
    first, second, *others = reports.look([(account(), work) for work in works])
    assert first == ({"a": 1}, None)
    assert second[0] == {"found": [1, None]}
    assert isinstance(second[1], Refused)
    assert (second[1].reason, second[1].names) == ("no-file", (b"/home/\xff%s",))
    assert [(report, getattr(error, "reason", "")) for report, error in others] == [(None, "child-failed")] * 2


@given(st.binary())
def test_text(value: bytes) -> None:
    """Any bytes are text, and the same bytes again."""
    assert reports.raw(reports.text(value)) == value


@given(st.binary() | st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["1 no-file\0no %s\0x", "111 x\0\0", "1 no-file\0%d\0x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner)))
def test_any_report(data: Any) -> None:
    """Whatever a child says is a report, and its failure one that can be shown."""
    told = data if isinstance(data, bytes) else json.dumps(data).encode()
    report, error = reports._understood(told)
    assert report is None or isinstance(report, dict)
    assert error is None or error.remedy % error.names is not None
