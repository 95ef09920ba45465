"""Live feed."""


def listen() -> None:
    """Subscribe."""
