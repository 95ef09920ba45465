"""How fast the pages answer with 1,000,000 jobs in the ledger: `make scale`."""
