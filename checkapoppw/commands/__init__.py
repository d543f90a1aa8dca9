"""Commands for people: what only they need is here, and no login ever imports it.

apoppasswd.py   tasks, on the file of an address: place, entries, passwordfile, listing; its passwords: hashing,
                generate, strength; what the host decides: policy
apopctl.py      explain, with rules, inspection, children and tree; check, with trial; doctor/
install.py      what `make install` does
both commands   talk, refusal, outcome
"""
