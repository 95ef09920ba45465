"""RQ's holes, one by one: each test provokes one, in RQ itself where that is cheap, and at the same place in QueueHub.

`holes.py` lists every hole with the tests that show it. Names of tests that begin with `test_rq_` or
`test_django_rq_` show stock RQ; they need no database.
"""
