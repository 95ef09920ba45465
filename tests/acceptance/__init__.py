"""The promises, measured on the whole system: real processes started by the commands that a user types."""
