"""The md personality (Linux drivers/md).

Superblock, layout, stripe cache, the raid5 state machine and sync.
"""
