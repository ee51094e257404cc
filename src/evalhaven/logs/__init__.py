"""Logged calls: how calls to models are recorded, kept and found.

- `store`: what a store of calls can do; `day_files/` keeps them beside SQLite, `partitions/` in PostgreSQL
- `exchanges`: what the gateway hands over of a call, and how a logged call is made of it
- `conversations`: what a call was asked, as a conversation that can be graded and sent again
- `handover/`: the way from the server to the storing process
- `ingest/`: calls that come from elsewhere
"""
