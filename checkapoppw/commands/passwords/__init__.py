"""What apoppasswd does: the password file of an address, and what is stored in it.

tasks.py is what each command does: with the file (place.py, rewrite.py), its lines (apoplines.py), what people see of
them (table.py), new passwords and what is stored of them (generate.py, piped.py, newhash.py), and what the host decides
(policy.py, strength.py).
"""
