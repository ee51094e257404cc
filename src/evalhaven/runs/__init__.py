"""What happens to a run, a room for each part of it; a room imports from those below it, and `make lint` checks that.

- `executing`: takes active runs up, hands their chunks out and stores what comes of them
- `accepting`: makes a run of a request
- `planning`: cuts a run into chunks
- `evaluating`: makes an output item of a row: sample and grades
- `ending`: removes what was deleted and what expired
- `sources`: where the rows stand
- `rows`: what a row is, and which rows are refused

`accepting`, `planning`, `evaluating` and `ending` do not know each other. Below the rooms stands what several of them
work with: the engine (the parts that `app` makes), patience with a database that cannot write, the forms of answer that
endpoints turned out to lack, and what authenticates the tools of a run.
"""
