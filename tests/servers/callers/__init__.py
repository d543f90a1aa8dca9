"""Stand-ins for the programs that call a checkpassword program: each does what doc/callers.md says that it does.

They are run by tcpserver, one process a connection, with the client on descriptors 0 and 1.  Only the standard
library, and little of it: they have to fit into the memory limits of the run scripts.
"""
