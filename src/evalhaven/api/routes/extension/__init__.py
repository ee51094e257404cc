"""What is not the contract, under `/api/`."""
