"""What happens to a run, one room for each part; a room imports only from rooms below it, as `make lint` checks.

- `executing`: takes active runs up, hands out their chunks and stores the results
- `accepting`: makes a run from a request
- `planning`: cuts a run into chunks
- `evaluating`: makes an output item from a row: sample and grades
- `ending`: cancels and deletes, and removes what was deleted or has expired
- `sources`: where the rows come from
- `rows`: what a row is, and which rows are refused

`accepting`, `planning`, `evaluating` and `ending` do not import each other. Below the rooms is what several of them
use: the engine (the parts that `app` makes), patience with a database that cannot write, the forms of answer that
endpoints turned out not to support, what projects may spend in a month, and the secrets of a run's tools.
"""
