"""Real clients log in through the stand-ins of all callers: the whole table, and each address to its own mailbox."""

import smtplib
import ssl
from pathlib import Path

import pytest

from .cells import CALLERS, CELLS, FORMS, Cell
from .clients import CLIENTS, FOREIGN, MESSAGE, Visit, drives
from .conftest import need
from .services import Services, owners

VISITS = [
    (client, cell) for cell in CELLS for client in CLIENTS[CALLERS[cell.caller].protocol]
    if drives(client, cell.mechanism, cell.form)
]


@pytest.mark.parametrize(("client", "cell"), VISITS, ids=["/".join((client, *cell)) for client, cell in VISITS])
def test_cell(services: Services, tmp_path: Path, client: str, cell: Cell) -> None:
    """The right password is accepted, and shows the address's own mailbox or lets it relay; a wrong one is refused."""
    if not client.startswith("python"):
        need(client.partition("_")[0])
    caller = CALLERS[cell.caller]
    log_in = CLIENTS[caller.protocol][client]
    service = services.get(caller.name)
    visit = Visit(service.port, cell.mechanism, cell.form, FORMS[cell.form], tmp_path, services.certificate)
    shown = log_in(visit)
    assert shown is not None
    assert owners(shown) == ([] if caller.protocol == "smtp" else [cell.form])
    logged = service.logged()
    mechanism = {"APOP": "apop", "CRAM-MD5": "cram-md5"}.get(cell.mechanism, "plain")
    assert (logged["result"], logged["mechanism"], logged["login"]) == ("accepted", mechanism, cell.form)
    assert log_in(visit._replace(password="wrong")) is None
    assert service.logged()["reason"] == "wrong-password"


@pytest.mark.parametrize("name", [name for name, caller in CALLERS.items() if caller.protocol == "smtp"])
def test_relaying(services: Services, name: str) -> None:
    """A client relays only once it is logged in, and the message says who it was."""
    service = services.get(name)
    for path in (services.host.root / "queue").iterdir():
        path.unlink()
    with smtplib.SMTP("127.0.0.1", service.port, timeout=15) as client:
        client.starttls(context=ssl.create_default_context(cafile=services.certificate))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("somebody@example.org", [FOREIGN], MESSAGE)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("user-ext@virtual.domain", "wrong")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("somebody@example.org", [FOREIGN], MESSAGE)
        client.login("user-ext@virtual.domain", FORMS["user-ext@virtual.domain"])
        client.sendmail("somebody@example.org", [FOREIGN], MESSAGE)
    (message,) = (services.host.root / "queue").iterdir()
    assert message.read_text().startswith("Received: from client (user-ext@virtual.domain@127.0.0.1)\n")


def test_every_cell_is_visited() -> None:
    """Each cell of the table is tried by two clients at least, one of them not Python's."""
    for cell in CELLS:
        clients = {client for client, visited in VISITS if visited == cell}
        assert len(clients) > 1, cell
        assert any(not client.startswith("python") for client in clients), cell
