"""Where an address goes, step by step, and what a login would find there: the modules of `apopctl explain`.

explainer.py goes a login's own way, with sources that note what they find (trace.py); inspection.py looks at an
account's files as the account; show.py prints a record.
"""
