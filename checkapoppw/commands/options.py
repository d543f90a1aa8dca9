"""Options that take a value, on command lines: nothing that was given is forgotten in silence."""

from collections.abc import Callable
from typing import Any

import click

_Callback = Callable[[click.Context, click.Parameter, Any], object]


class Once(click.Option):
    """An option whose value counts once: given twice, it is a misuse, since click would keep the last one only."""

    def __init__(self, *names: Any, callback: _Callback | None = None, **attributes: Any) -> None:
        def the_one(context: click.Context, parameter: click.Parameter, values: tuple[object, ...] | None) -> object:
            if values and len(values) > 1:
                raise click.UsageError(f"{self.opts[0]} is given more than once", context)
            value = values[0] if values else None
            return callback(context, parameter, value) if callback else value

        super().__init__(*names, callback=the_one, **attributes | {"multiple": True})


def read_by(reader: Callable[[str], object]) -> _Callback:
    """A callback that reads an option's value, or the list that all its values make with commas between.

    reader: raises ValueError, whose text is for people
    """
    def callback(_: click.Context, parameter: click.Parameter, given: Any) -> object:
        try:
            return None if given in (None, ()) else reader(given if isinstance(given, str) else ",".join(given))
        except ValueError as error:
            raise click.BadParameter(str(error), param=parameter) from None

    return callback
