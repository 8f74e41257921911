"""Curves as cells: pure functions from arrays to characters, without Textual."""
