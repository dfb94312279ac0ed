"""Models on the Hugging Face hub: pulled into the user's folder, pushed from it. No torch, no pickles."""

from wavemel.hub.pull import Pulled, pull
from wavemel.hub.push import Plan, Pushed, plan_push, push

__all__ = ["Plan", "Pulled", "Pushed", "plan_push", "pull", "push"]
