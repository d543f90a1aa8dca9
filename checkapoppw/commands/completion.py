"""Completion: what bash and fish are told that may follow, each value as one word that they expand nothing in.

Labels come from the password file, and so perhaps from somebody else.  zsh and fish quote what they insert, bash does
not, so that it is done here, letter by letter: that holds behind a quote that is open, too, where quotes would end it.
click's own scripts lose backslashes in bash, and in fish what follows a comma.
"""

import os
import re
from typing import Any

from click import shell_completion
from click.shell_completion import CompletionItem

# Every other ASCII character means something to a shell, or to readline's search for a word's begin.
_SPECIAL = re.compile(r"[^\w%+,./-]", re.ASCII)

_BASH = """\
%(complete_func)s() {
    local item
    COMPREPLY=()
    while IFS= read -r item; do
        case $item in
        dir,*) compopt -o dirnames ;;
        file,*) compopt -o default ;;
        plain,*) COMPREPLY+=("${item#plain,}") ;;
        esac
    done < <(IFS=$'\\n'; env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(shell_completion.BashComplete):
    """bash, which inserts a value as it stands."""

    source_template = _BASH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{_escaped(item.value) if item.type == 'plain' else item.value}"

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        found = super().get_completions(args, incomplete)
        if not _has_quote():
            return found
        # Between quotes a backslash is a letter, so that only what needs none is right there.
        return [item for item in found if item.type != "plain" or item.value == _escaped(item.value)]


class Fish(shell_completion.FishComplete):
    """fish, which quotes what it inserts, but for a tilde at the beginning."""

    source_template = shell_completion.FishComplete.source_template.replace('split "," ', 'split -m 1 "," ')

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        found = super().get_completions(args, incomplete)
        return [item for item in found if item.type != "plain" or not item.value.startswith("~")]


def register() -> None:
    """Have click answer the shells by these."""
    shell_completion.add_completion_class(Bash)
    shell_completion.add_completion_class(Fish)


def _escaped(value: str) -> str:
    return _SPECIAL.sub(lambda letter: f"\\{letter[0]}" if letter[0].isascii() else letter[0], value)


def _has_quote() -> bool:
    # COMP_WORDS are the words as they were typed, one a line.
    words = os.environ["COMP_WORDS"].split("\n")
    return any(quote in word for word in words[int(os.environ["COMP_CWORD"]) :] for quote in "'\"")
