"""Active runs, from where they stand to their final status.

The executor compares the active runs of the database with those it conducts, on every wake-up and once a second. Each
has a conductor, which ends it `failed` where this release cannot execute it or no endpoint serves its model any more.

Two chunks of a run and four of all runs are under way at once; of a run that calls a model as many as keep its calls
under way. A chunk asks which of its positions are stored already; the tasks of the run's pool evaluate the rest,
whichever chunk is oldest: one task where all graders compute at once, as many as the endpoint is asked at once where a
run samples, and more while calls pause before their next attempt.

Up to 256 items or 4 MB, of any chunks of the run, are stored in one transaction with the tally they add to; what ended
is stored ten times a second at least, and the next batch is evaluated meanwhile. A chunk is marked as done with its
last items or after them. A batch that finds the run's status final stops it. When no chunk is pending, one transaction
writes the final status and an event.

A run that is tried again goes through all of its chunks: what is missing is executed, what erred is mended.

Graders that are asked for one sample, without a run, are executed here too: the executor alone has workers, judges and
sandboxes. The server leaves the request in the table `grader_calls`, wakes the executor and looks for the answer there,
so that a killed executor's successor answers; who hangs up takes the request away.
"""
