"""Which row of a chart shows what, from one row to a full screen."""

from dataclasses import dataclass, replace

LOWEST_PLOT = 3
"""Rows; a plot that is no higher gives none to the legend."""


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
    legend_rows: int = 1
    """How many, from that one downwards."""


def lay_out(height: int, *, has_long_legend: bool = False) -> ChartLayout:
    """Give up, as the height shrinks, first the row of labels, then those of legend and axis.

    Args:
        height: Rows of the chart.
        has_long_legend: Whether the legend gets one row more at the cost of the plot, if that
            stays high enough.
    """
    layout = _lay_out(height)
    if not has_long_legend or layout.legend_row is None or layout.plot_height <= LOWEST_PLOT:
        return layout
    if layout.legend_row == layout.title_row:
        top, legend_row, legend_rows = layout.plot_top + 1, layout.plot_top, 1
    else:
        top, legend_row, legend_rows = layout.plot_top, layout.legend_row - 1, 2
    above = layout.plot_top - top + 1  # what lies beneath the plot moves up by so much
    return replace(
        layout,
        plot_top=top,
        plot_height=layout.plot_height - 1,
        rule_row=None if layout.rule_row is None else layout.rule_row - above,
        labels_row=None if layout.labels_row is None else layout.labels_row - above,
        legend_row=legend_row,
        legend_rows=legend_rows,
    )


def _lay_out(height: int) -> ChartLayout:
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
