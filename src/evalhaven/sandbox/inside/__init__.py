"""What runs inside the sandbox: standard library only, sent to each host as text before it locks itself down."""
