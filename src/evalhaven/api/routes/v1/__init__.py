"""The contract, one module per resource."""
