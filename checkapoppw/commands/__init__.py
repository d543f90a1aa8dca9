"""Commands for people: what only they need is here, and no login ever imports it."""
