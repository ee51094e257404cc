"""Where graders that users wrote are executed: in processes that can reach nothing."""
