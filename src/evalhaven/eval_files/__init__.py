"""Evals as files: what such a file says, and how it becomes an eval and runs on a server.

`reading` reads a file and finds all that is wrong with it, `rows` its data, `variants` the runs that it describes,
`upserting` and `starting` bring them to a server. Nothing here prints, and a server is reached by the client that the
caller opened.
"""
