"""HTTP: routes, errors, paging, rendering; the only place that builds wire responses."""
