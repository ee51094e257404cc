"""How what executes runs looks for them, whether it does so alone or beside others."""

RUNS_AT_ONCE = 64
LOOK_AGAIN_S = 1.0  # in case a wake-up was lost
IDLE_LOOK_S = 5.0  # the same where nothing is under way that others could cancel, or lose
LONGEST_LOOK_S = 30.0
