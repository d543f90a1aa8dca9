"""Commands for people: what only they need is here, and no login ever imports it.

apoppasswd.py   its command line; passwords/ does it
apopctl.py      its command line; explain/, check.py, doctor/ and locking.py do it
both            run.py (every end has a sentence and a status), errors.py, terminal.py, escape.py, options.py;
                reports.py (what children say that look as accounts); mailbox.py (what is at MAILDIR)
completion.py   what the shells are told that may follow
installed.py    what `make install` (packaging/install.py) lays out, for it and for the doctor
"""
