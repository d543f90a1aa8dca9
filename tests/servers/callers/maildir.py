"""What qmail-popup and Binc IMAP run in the end: a stand-in of qmail-pop3d, and a mere glimpse of an IMAP server."""

import os

from .conversation import Conversation


def messages(argv: list[str], refusal: str) -> list[str]:
    """The files of the messages in the maildir that is the first argument.

    refusal: what the client is told where there is no such maildir, before the program ends
    """
    try:
        os.chdir(argv[1])
        return [f"{part}/{name}" for part in ("new", "cur") for name in sorted(os.listdir(part))]
    except (OSError, IndexError):
        Conversation().say(refusal)
        os._exit(0)


def content(path: str) -> list[str]:
    """The lines of a message."""
    with open(path, "rb") as file:
        return file.read().decode("latin-1").splitlines()


def pop3d(argv: list[str]) -> None:
    """`qmail-pop3d MAILDIR`: the maildir of the argument, and nothing else's."""
    files = messages(argv, "-ERR this user has no mailbox")
    client = Conversation()
    kept = dict(enumerate(files, 1))
    client.say("+OK ")
    while True:
        verb, _, rest = client.hear().decode("latin-1").lower().partition(" ")
        number = int(rest) if rest.isdigit() else 0
        match verb:
            case "list" | "uidl" | "retr" | "dele" if rest and number not in kept:
                client.say("-ERR no such message")
            case "stat":
                client.say(f"+OK {len(kept)} {sum(os.stat(name).st_size for name in kept.values())}")
            case "list" | "uidl" if not rest:
                client.say("+OK ", *(about(verb, one, kept) for one in kept), ".")
            case "list" | "uidl":
                client.say(f"+OK {about(verb, number, kept)}")
            case "retr":
                client.say("+OK ", *("." + line if line[:1] == "." else line for line in content(kept[number])), ".")
            case "dele":
                del kept[number]
                client.say("+OK ")
            case "quit":
                for name in set(files) - set(kept.values()):
                    os.unlink(name)
                client.say("+OK ")
                return
            case _:
                client.say("-ERR unimplemented")


def about(verb: str, number: int, kept: dict[int, str]) -> str:
    """A message's line in LIST or UIDL."""
    name = kept[number]
    return f"{number} {os.stat(name).st_size if verb == 'list' else os.path.basename(name)}"


def imapd(argv: list[str]) -> None:
    """`bincimapd MAILDIR`: enough of IMAP to see whose mailbox it is; BINC_TAG is the tag of the LOGIN."""
    tag = os.environ["BINC_TAG"]
    files = messages(argv, f"{tag} NO this user has no mailbox")
    client = Conversation()
    client.say(f"{tag} OK LOGIN completed")
    while True:
        tag, _, rest = client.hear().decode("latin-1").partition(" ")
        verb = rest.partition(" ")[0].upper()
        match verb:
            case "SELECT" | "EXAMINE":
                client.say(f"* {len(files)} EXISTS")
            case "FETCH":
                text = "\r\n".join(content(files[0])) + "\r\n"
                client.say(f"* 1 FETCH (RFC822 {{{len(text)}}}", text + ")")
            case "CAPABILITY":
                client.say("* CAPABILITY IMAP4rev1")
            case "LOGOUT":
                client.say("* BYE")
        client.say(f"{tag} OK {verb} completed")
        if verb == "LOGOUT":
            return
