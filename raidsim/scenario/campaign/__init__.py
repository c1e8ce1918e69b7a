"""Random campaigns: scenarios drawn from seeds, each of which has to come out well."""

from raidsim.scenario.campaign.campaign import Results, run_campaign
from raidsim.scenario.campaign.draw import BEYOND, MODES, WITHIN, draw
from raidsim.scenario.campaign.shrink import shrink
from raidsim.scenario.campaign.toml_text import toml_text
from raidsim.scenario.campaign.trial import Trial, play, run_trial

__all__ = [
    "BEYOND",
    "MODES",
    "WITHIN",
    "Results",
    "Trial",
    "draw",
    "play",
    "run_campaign",
    "run_trial",
    "shrink",
    "toml_text",
]
