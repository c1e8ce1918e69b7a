"""The raid4/5/6 personality: stripe cache, state machine and ``ops_run_*`` (drivers/md/raid5.c)."""
