"""What a mail service meets on its host."""

class Surroundings:
    """What a service meets on this host.

    root: the directory of qmail that was looked at
    program: the checkapoppw that was looked at
    owners: the uids of accounts that have passwords, each with one of their homes
    schemes: the schemes of passwords, each with a file that has it, for people
    boxless: homes whose own address has a password, and no dot-qmail file
    """

    def __init__(self, root: bytes, program: str) -> None:
        self.root = root
        self.program = program
        self.owners: dict[int, bytes] = {}
        self.schemes: dict[str, str] = {}
        self.boxless: list[bytes] = []
