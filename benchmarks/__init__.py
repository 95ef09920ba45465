"""Measures QueueHub and other job queues side by side on identical work: `make bench`."""
