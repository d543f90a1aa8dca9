"""Each address has its own mailbox: one that has none is shown none, and never its neighbour's."""

import pytest

from .cells import CALLERS
from .services import Services
from .session import Session

POP = [name for name, caller in CALLERS.items() if caller.protocol == "pop3"]
WAYS = [(name, mechanism) for name in POP for mechanism in CALLERS[name].mechanisms]


@pytest.mark.parametrize("address", ["user-none", "user-gone", "user-bare"])
@pytest.mark.parametrize(("name", "mechanism"), WAYS)
def test_no_mailbox(services: Services, name: str, mechanism: str, address: str) -> None:
    """An address with a password but no mailbox is let in, and its session ends before anything is shown."""
    service = services.get(name)
    with Session(service.port) as client:
        if mechanism == "APOP":
            *_, answer = client.apop(address.encode(), b"without.mailbox")
        else:
            client.say(b"USER " + address.encode())
            answer = client.say(b"PASS without.mailbox")
        assert (answer, client.hear()) == (b"-ERR this user has no mailbox", b"")
    logged = service.logged()
    assert (logged["result"], logged["login"]) == ("accepted", address)


@pytest.mark.parametrize("address", ["user-none", "user-gone", "user-bare"])
def test_no_mailbox_by_imap(services: Services, address: str) -> None:
    """The same under Binc IMAP."""
    service = services.get("Binc IMAP")
    with Session(service.port) as client:
        answer = client.say(b"a LOGIN " + address.encode() + b" without.mailbox")
        assert (answer, client.hear()) == (b"a NO this user has no mailbox", b"")
    assert service.logged()["result"] == "accepted"


@pytest.mark.parametrize("name", POP)
def test_deleting_stays_within_the_mailbox(services: Services, name: str) -> None:
    """What an extension address deletes is gone from its own mailbox only."""
    home = services.host.homes["user"]
    message = services.host.put(home / "ext" / "new" / "2.2.example", b"Subject: second\n\nHello.\n")
    with Session(services.get(name).port) as client:
        client.say(b"USER user-ext")
        assert client.say(b"PASS second.secret").startswith(b"+OK")
        assert client.say(b"STAT").startswith(b"+OK 2 ")
        assert client.say(b"DELE 2").startswith(b"+OK")
        assert client.say(b"QUIT").startswith(b"+OK")
    assert not message.exists()
    assert len(list((home / "ext" / "new").iterdir())) == 1
    assert len(list((home / "Maildir" / "new").iterdir())) == 1


@pytest.mark.parametrize(("name", "answer"), [
    ("qmail-popup", b"-ERR authorization failed"), ("fehcom with CRAM-MD5", b"535"), ("0.31", b"454"),
    ("indimail-mta", b"454"), ("spamdyke", b"535"),
])
def test_temporary_failure(services: Services, name: str, answer: bytes) -> None:
    """A password file that all can read is a temporary failure, where the caller can tell that to its client."""
    service = services.get(name)
    with Session(service.port) as client:
        if CALLERS[name].protocol == "pop3":
            client.say(b"USER user-loose")
            assert client.say(b"PASS without.mailbox").startswith(answer)
        else:
            assert client.auth_plain(b"\0user-loose\0without.mailbox").startswith(answer)
    logged = service.logged()
    assert (logged["result"], logged["reason"]) == ("deferred", "file-mode")
