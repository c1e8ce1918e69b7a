"""Puts this directory on the import path, for ``md_rig``."""
