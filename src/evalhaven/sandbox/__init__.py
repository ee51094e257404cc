"""Where graders written by users are executed: in processes that can reach nothing."""
