"""Tests of the commands for operators, and of what explains a job that does not run."""
