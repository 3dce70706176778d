"""The stages of a job in the runner, and how long the runner may be silent in one."""

SILENCE_SECONDS = 30.0
# In the first two, neither model nor algorithm has any part in it yet.
STARTING = "starting"
READING = "reading the picture"
CHECKING = "checking the model"
LOADING = "loading the model"
RUNNING = "running"
