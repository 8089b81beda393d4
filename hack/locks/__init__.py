"""Proves that requirements/*.txt can be installed on any day, without the network.

``pip install --require-hashes`` takes nothing that is not pinned, and which requirements it meets depends on what has
been released by then: a lock with a gap installs until some package has a newer version. So the gap is looked for in
the locks themselves: every requirement of every pinned distribution, on every Python and platform that is supported,
has to be met by another pin. What the distributions require is recorded in requirements/metadata.json, since most
machines have only some of them installed.

``python -m hack.locks`` proves it, ``python -m hack.locks record`` writes the file (both are part of make's targets).
"""
