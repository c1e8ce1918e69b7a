"""Control of an array that a server runs: a Unix socket in its directory, and both ends of it."""
