"""Workers: a pool parent (`pool`) and its processes (`process`), each with a receiver, slots and a settler."""
