"""The two themes of the workbench; Textual's own stay available beside them."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="workbench-dark",
    primary="#7fb2dc",
    secondary="#93a3bd",
    accent="#e3b76e",
    success="#86c397",
    warning="#e0a062",
    error="#e88388",
    foreground="#d3dae5",
    background="#11151b",
    surface="#171c24",
    panel="#222a35",
    dark=True,
    variables={
        "border-blurred": "#39434f",
        "input-selection-background": "#7fb2dc 35%",
        "scrollbar": "#39434f",
        "scrollbar-hover": "#52617a",
        "scrollbar-active": "#7fb2dc",
        "scrollbar-background": "#171c24",
        "scrollbar-background-hover": "#171c24",
        "scrollbar-background-active": "#171c24",
        "scrollbar-corner-color": "#171c24",
    },
)

LIGHT = Theme(
    name="workbench-light",
    primary="#1d5d8c",
    secondary="#52617a",
    accent="#845400",
    success="#1f6e3c",
    warning="#8f4f00",
    error="#a72b33",
    foreground="#20252d",
    background="#fbfaf7",
    surface="#f3f2ed",
    panel="#e6e4dc",
    dark=False,
    variables={
        "border-blurred": "#b9b6ab",
        "scrollbar": "#b9b6ab",
        "scrollbar-hover": "#8d8a80",
        "scrollbar-active": "#1d5d8c",
        "scrollbar-background": "#f3f2ed",
        "scrollbar-background-hover": "#f3f2ed",
        "scrollbar-background-active": "#f3f2ed",
        "scrollbar-corner-color": "#f3f2ed",
    },
)

THEMES = (DARK, LIGHT)
