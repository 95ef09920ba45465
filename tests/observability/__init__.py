"""Logs and traces: what machines read of QueueHub beside its metrics."""
