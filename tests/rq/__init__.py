"""Tests of what QueueHub shares with RQ: plain jobs, stock workers, django-rq's commands, the live feed."""
