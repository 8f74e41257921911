"""The terminal interface: shows and asks; decides nothing."""
