"""What becomes of acknowledged jobs under kill -9, FLUSHALL and a killed broker, in QueueHub and beside it.

`make survival`; the counts are what matters here, speed is measured by the rest of `benchmarks`.
"""
