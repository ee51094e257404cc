"""The pytest plugin: a test for each item of an eval file, whose outputs become a run.

`hooks` is what pytest loads in every session that has Evalhaven installed, so it imports nothing of it at its start.
`recording` is what a test sees, `sessions` what a session has to know, `handing_over` makes a run of it at the end.
"""
