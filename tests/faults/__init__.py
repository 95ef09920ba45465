"""Faults: real processes and servers are harmed under load, and a checker says what became of each job."""
