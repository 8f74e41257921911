"""Which row of a chart shows what, from one row to a full screen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChartLayout:
    """Rows from the top; None for what there is no room for."""

    plot_top: int
    plot_height: int
    title_row: int | None
    rule_row: int | None
    """The x axis, with ticks and event glyphs; with the labels, if those have no row."""
    labels_row: int | None
    legend_row: int | None
    """The title row if there is none for the legend alone."""


def lay_out(height: int) -> ChartLayout:
    """Give up, as the height shrinks, first the row of labels, then those of legend and axis."""
    has_title, has_rule, has_legend, has_labels = (height >= least for least in (3, 5, 7, 8))
    top = int(has_title)
    bottom = height - has_rule - has_legend - has_labels
    return ChartLayout(
        plot_top=top,
        plot_height=max(0, bottom - top),
        title_row=0 if has_title else None,
        rule_row=bottom if has_rule else None,
        labels_row=bottom + 1 if has_labels else None,
        legend_row=height - 1 if has_legend else (0 if has_title else None),
    )
