"""Who may do what, by every way: the table of docs/permissions.md, tried."""
