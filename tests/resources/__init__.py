"""What a pool and its jobs take: connections, memory, descriptors, bytes."""
