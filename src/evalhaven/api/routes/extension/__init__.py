"""Everything outside the contract, under `/api/`."""
