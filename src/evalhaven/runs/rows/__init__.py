"""Rows: read from their lines without parsing what nobody asks for, and checked one by one."""
