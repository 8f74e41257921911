"""A workbench for multi-task learning experiments in the terminal."""
