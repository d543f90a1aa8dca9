"""What a command says when it does not do as asked, and with which exit code it ends then."""

class Refusal(Exception):
    """A request that is refused.  Its text goes to the user as it is, and holds no secret."""

    code = 1


class NoLogin(Refusal):
    """A word on the command line is no login of this host: the command line is wrong."""

    code = 2


class NotOfThisFile(Refusal):
    """The password that was to be verified opens nothing (htpasswd's code for that)."""

    code = 3


class NoSuchLabel(Refusal):
    """No line has this label."""

    code = 4


class LabelTaken(Refusal):
    """A line with this label is there already."""

    code = 5


class TooWeak(Refusal):
    """The password is weaker than this host allows."""

    code = 6


class Trouble(Exception):
    """A request that cannot be carried out now.  Its text likewise."""

    code = 111


class InForce(Trouble):
    """The change is made, and logins go by it, but a step behind it failed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the change is made and in force, but a loss of power may undo it: {why}")
