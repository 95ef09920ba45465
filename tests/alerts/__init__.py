"""Tests of what ships for Prometheus and Grafana: rules, objectives, dashboards and their runbooks."""
