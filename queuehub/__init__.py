"""The Django project: wiring only. The engine is `jobs`, the pages are `dashboards`."""
