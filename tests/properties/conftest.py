"""Hypothesis settings for the properties: the same examples every time, unless a soak looks for new ones."""

import hypothesis

from tests.sizes import IS_SOAK

hypothesis.settings.register_profile(
    "properties",
    deadline=None,
    print_blob=True,
    derandomize=not IS_SOAK,
    max_examples=1000 if IS_SOAK else 60,
    # What examples share (a database, a directory) is made so that they cannot disturb each other.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("properties")
