"""Runs that several workers share, in PostgreSQL.

Every worker executes chunks that the queue hands out (`queue.py`), in its share of their run (`share.py`). What a run
needs as a whole is done by whoever gets the job: its plan (`preparing.py`), and its end, which belongs to the
transaction that marks its last chunk as done. Upkeep (`upkeep.py`) submits what has no job and drops the jobs of the
dead, and any worker can do it.

A job is only a hint. What is to be done, what is done and how a run ends is in the tables of runs and chunks, and each
transaction that changes them holds the run's row. So a job that is lost, late or handed out twice costs time at most.

A worker that the others may think dead begins nothing more (`fence.py`). It may still store what it has finished, since
an item is stored and counted once whoever stores it.
"""
