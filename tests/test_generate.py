"""Passwords that nobody has to think of."""

import math

from checkapoppw import apopfile
from checkapoppw.commands.passwords import generate


def test_strength() -> None:
    """There are at least 2**90 passwords, and none comes twice."""
    letters = generate.password().replace("-", "")
    assert len(letters) * math.log2(len(set(generate.ALPHABET))) >= 90
    assert len({generate.password() for _ in range(1000)}) == 1000


def test_form() -> None:
    """It is five groups of four, of letters that nobody takes for others, and no scheme begins like it."""
    groups = generate.password().split("-")
    assert [len(group) for group in groups] == [4] * 5
    assert not set("iIlL1oO0") & set(generate.ALPHABET)
    assert set("".join(groups)) <= set(generate.ALPHABET)
    assert apopfile.scheme_of(generate.password().encode()) is None


def test_every_letter_everywhere() -> None:
    """Each letter comes up in each place."""
    found = [generate.password().replace("-", "") for _ in range(2000)]
    assert all(set(place) == set(generate.ALPHABET) for place in zip(*found, strict=True))
