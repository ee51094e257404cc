"""A run or a comparison as one file of HTML, to be printed or passed on: no network, no script.

Every figure is one of the report, or a sum of such.
"""
