"""passedover: which account has a name that falls to alias, and what qmail-getpw has against it."""


import pytest

from checkapoppw import passedover, users

from .test_users import Host

PASSED_OVER = {
    "passwd": [
        ["amy", 1001, 1001, "/qo/amy"], ["bob", 1002, 1002, "/qo/bob"],
        ["toor", 0, 0, "/root"], ["Eve", 1003, 1003, "/qo/eve"], ["x" * 32, 1004, 1004, "/qo/x"],
        ["ann", 1005, 1005, "/qo/ann"], ["ann-b", 1006, 1006, "/qo/missing"],
    ],
    "dirs": [["/qo/bob", 0, 0, 493], ["/qo/eve", 1003, 1003, 493], ["/qo/x", 1004, 1004, 493], ["/root", 0, 0, 448]],
    "assign": None,
}


@pytest.mark.parametrize(("local", "account", "rule"), [
    (b"amy", b"amy", "its home %s is missing"),
    (b"amy-list", b"amy", "its home %s is missing"),
    (b"AMY", b"amy", "its home %s is missing"),
    (b"bob", b"bob", "its home %s belongs to uid 0"),
    (b"toor", b"toor", "its uid is 0"),
    (b"Eve", b"Eve", "its name has capitals"),
    (b"Eve-list", b"Eve", "its name has capitals"),
    (b"x" * 32, b"x" * 32, "it has more than 31 bytes"),
    (b"ann-b-c", b"ann-b", "its home %s is missing"),
    (b"nobody.there", None, ""),
])
def test_the_account_that_is_passed_over(local: bytes, account: bytes | None, rule: str) -> None:
    """Where an address falls to alias, it is known which account has its name, and what qmail-getpw has against it."""
    host = Host(PASSED_OVER)
    found = users.getpw(local, host)
    assert (found.user, found.ext) == (b"alias", local)
    objection = passedover.by_address(local, host)
    if account is None:
        assert objection is None
        return
    assert objection is not None
    words, names = objection
    assert rule in words
    assert names[0] == account
    assert words.count("%s") == len(names)
