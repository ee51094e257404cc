"""Active runs, taken from their stored state to their final status.

The executor compares the active runs of the database with those it conducts, on every wake-up and once a second. Each
has a conductor, which ends it as `failed` if this release cannot execute it or no endpoint serves its model any more.

Two chunks of a run and four of all runs are under way at once; of a run that calls a model as many as keep its calls
under way. A chunk asks which of its positions are stored already; the tasks of the run's pool evaluate the rest,
oldest chunk first: one task if all graders compute at once, as many as the endpoint is asked at once if a
run samples, and more while calls pause before their next attempt.

Up to 256 items or 4 MB, of any chunks of the run, are stored in one transaction with the tally they add to; what ended
is stored ten times a second at least, and the next batch is evaluated meanwhile. A chunk is marked as done with its
last items or after them. A run stops if a batch finds its status final. When no chunk is pending, one transaction
writes the final status and an event.

A retried run goes through all of its chunks: missing items are executed, errored items are mended.

Graders that are asked for one sample, without a run, are executed here too: the executor alone has calculators, judges
and sandboxes. The server leaves the request in the table `grader_calls`, wakes the executor and looks for the answer
there, so if an executor is killed, its successor answers. If the client hangs up, the request is removed.
"""
