"""A workbench for multi-task learning experiments in the terminal."""

import os

# pydantic would read what every installed package says of itself, in search of its plugins: in a
# full environment a tenth of a second of each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
