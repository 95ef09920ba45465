"""The arithmetic, the options and the memory of the benchmarks; the measuring itself is `make bench`."""
