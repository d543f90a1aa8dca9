"""A checkpassword program for HIROSE Yuuji's apoppw schema: each address's password in its owner's hands.

One login, from descriptor 3 to the next program; what stands in brackets is done as the account:

    descriptor 3 - request.parse_fields - stages.identify: control.rewrite (with an @), users.look_up - process.become
      [ - dotqmail.Governing - apopfile.find_file, read_file, parse_credentials - mechanisms.verify
        - process.run_program ]

main.py         the order of all that, and the one exit of every failure
stages.py       its steps, which all who decide share: dovecot.py, apopctl explain, apoppasswd ADDRESS
dovecot.py      the order under Dovecot; loaded only there
asaccount.py    a child that has accounts' ids, looks and reports: for dovecot.py and the commands

The caller      request.py (descriptor 3), hints.py (its environment), settings.py (the administrator's)
The address     control.py (domains), users.py (accounts), cdb.py (users/cdb); sources.py reads what they ask for
                nss.py tells an outage from a name that nobody has, locks.py whom the administrator has locked,
                misnamed.py what a client means by another name, passedover.py whose account qmail passes over;
                large.py searches large control files; each is loaded only where that is in question
The files       dotqmail.py (which governs, and its mailbox), apopfile.py (the password file), files.py (directories)
The password    mechanisms.py (what a response may prove), digests.py (APOP, CRAM-MD5); for passwords that are not in
                clear text schemes.py, with crammd5.py, hashes.py, pbkdf2.py and libcrypt.py; for those that have
                several forms forms.py
The end         process.py (ids, environment, the next program), log.py, errors.py; reasons.py has every reason

commands/       apoppasswd and apopctl, which no login imports; its own map is in commands/__init__.py

Each list is in one place: mechanisms in digests.py, schemes in schemes.py, settings in settings.py, control files in
control.py, services in hints.py, fields of the log in log.py, reasons in reasons.py; tests/test_facts.py says what else
has to follow.  The rules that comments cite are in doc/callers.md (C1 and on) and doc/mapping.md (M1 and on).
"""

__version__ = "0.1.0"
