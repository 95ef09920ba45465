"""The tests; also a Django app of its own, with tasks and models that only tests need."""
