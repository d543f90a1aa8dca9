"""The tests: a file for each module, the contract of the installed programs, and the vectors."""
