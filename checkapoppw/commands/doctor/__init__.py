"""What is wrong with an installation and its accounts, and what mends it: the modules of `apopctl doctor`.

checks.py is the order.  It looks at the installation (installation.py), at qmail's files (ways.py, qmailfiles.py,
lines.py, cdbdump.py, assignments.py), at the homes of accounts (homes.py, inhome.py, mailboxes.py), and at run scripts
(service.py, resources.py, dialogue.py, and the pure shellwords.py, commandline.py and runfile.py).  Each yields
findings (findings.py).
"""
