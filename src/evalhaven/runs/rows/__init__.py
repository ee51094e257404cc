"""Rows: read from their lines without parsing what is not needed, and checked one by one."""
