"""The contract, a module per resource."""
