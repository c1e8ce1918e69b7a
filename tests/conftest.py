"""What all tests have in common."""

from hypothesis import settings

# How long an example takes says nothing where tests share the machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
