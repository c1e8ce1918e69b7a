"""The live view: what an array is doing, drawn from plain snapshots of it."""
