"""What people look at: pages, live updates, charts, health and metrics."""
