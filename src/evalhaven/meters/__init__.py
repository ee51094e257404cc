"""Meters: numbers that each process keeps about its own work, and that `/metrics` shows for all of them.

`declared` names every meter. A process counts on its `Board`; children report what has changed to their parent, which
adds it to its own. Nothing here knows what is measured, or loads the library of Prometheus before somebody asks.
"""
