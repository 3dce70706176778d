"""What this machine can do: processor, memory, adapters, and which providers work how fast."""
