"""The Django project: settings, addresses, servers. Wiring only; the engine is `jobs`, the pages are `dashboards`."""
