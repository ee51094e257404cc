"""The way of a call from the server to the process that stores it.

- `sender`: in the server; keeps what is not stored yet, within bounds
- `ledger`: what was given away and what was acknowledged, in a mapped file that outlives a killed server
- `losses`: the log line about calls that were not stored
- `frames`: what the two processes say to each other
- `receiver`: in the storing process; stores in batches
"""
