"""What a command says when it does not do as asked."""


class Refusal(Exception):
    """A request that is refused (exit code 1).  Its text goes to the user as it is, and holds no secret."""


class Trouble(Exception):
    """A request that cannot be carried out now (exit code 111).  Its text likewise."""


def shown(name: bytes) -> str:
    """A file name for people: readable where it is text, and never a control sequence for their terminal."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
