"""What a mail service meets on its host."""

from collections.abc import Mapping


class Surroundings:
    """What a service meets on this host.

    root: the directory of qmail that was looked at
    program: the checkapoppw that was looked at
    owners: the uids of accounts that have passwords, each with one of their homes
    boxless: homes whose own address has a password, and no dot-qmail file
    """

    def __init__(self, root: bytes, program: str, owners: Mapping[int, bytes], boxless: list[bytes]) -> None:
        self.root = root
        self.program = program
        self.owners = owners
        self.boxless = boxless
