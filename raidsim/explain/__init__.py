"""What an array does for one request, told by having a shadow of it do so."""

from raidsim.explain.explainer import explain_request
from raidsim.explain.explanation import Explanation
from raidsim.explain.shadow import open_shadow

__all__ = ["Explanation", "explain_request", "open_shadow"]
