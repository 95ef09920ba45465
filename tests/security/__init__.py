"""Attacks, each refused as SECURITY.md says."""
