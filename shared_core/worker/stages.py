"""The stages of a job in the runner, and how long the runner may be silent in one."""

from shared_core.bridge.language import _

SILENCE_SECONDS = 30.0
# In the first two, neither model nor algorithm has any part in it yet.
STARTING = "starting"
READING = "reading the picture"
CHECKING = "checking the model"
LOADING = "loading the model"
RUNNING = "running"

_WORDS = {
    STARTING: _("starting"),
    READING: _("reading the picture"),
    CHECKING: _("checking the model"),
    LOADING: _("loading the model"),
    RUNNING: _("running"),
}


def words(stage: str) -> str:
    """A stage as users read it."""
    return _WORDS.get(stage, stage)
