"""The queue by which several workers share runs; in PostgreSQL only, in a schema of its own.

Procrastinate's tables and functions stand there under their own names, so connections have the schema on their path.
Its jobs are disposable: what is to be done and what is done is said by the tables of `storage/tables.py`.
"""
