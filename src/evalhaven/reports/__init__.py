"""What the items of a run add up to, and how two runs differ.

- `columns/`: a run's items by column, made once it has ended, from which everything here is computed
- `report`: what a run adds up to; `figures` has the rates, spreads and histograms that are shown
- `comparing`: which run is the baseline, and which pairs of runs are kept in memory
- `pairing`: which items belong together; `comparison`: what their differences come to; `compared_items`: pages of them
- `gate`: whether a run passes, by a policy; `planning`: how many items a question needs

What all of these compute with is in `stats`, which knows neither runs nor items.
"""
