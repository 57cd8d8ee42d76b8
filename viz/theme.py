"""The toolkit's look: colours, line widths, markers and fonts, the same in figures, recordings and windows.

One hue and one marker shape per level, so that a level is recognised in print, in grey and by colour-blind
readers. Level hues come from Okabe and Ito's palette (2008), darkened or lightened for contrast on each floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # takes a while to import, and a window needs none of it
    from matplotlib.colors import LinearSegmentedColormap

FONT = "DejaVu Sans"  # ships with matplotlib: text looks the same on every machine


class ThemeError(ValueError):
    """A theme was asked for that does not exist."""


@dataclass(frozen=True)
class LevelStyle:
    """How one level is drawn.

    Attributes:
        color: hex colour of the level.
        sides: corners of its marker; 0 is a disc.
        rotation: degrees by which the marker is turned; at 0 a corner points up.
        width: line width in points (at a cell size of 40 points or more).
        size: marker diameter in points (same condition).
    """

    color: str
    sides: int
    rotation: float
    width: float
    size: float

    @property
    def marker(self) -> Any:
        """The marker, as matplotlib names it."""
        return (self.sides, 0, self.rotation) if self.sides else "o"


@dataclass(frozen=True)
class Theme:
    """Colours of one look; hex strings.

    Attributes:
        name: what the theme is asked for by.
        page: behind everything.
        wall: walls.
        rim: the line along the walls.
        floor: free space.
        ink: text, the path taken and the agent's outline.
        muted: secondary text and axes.
        halo: the thin edge that lifts markers off the heat map.
        goal: the goal's star.
        entrance: portal entrances.
        exit: portal exits.
        heat: cost-to-go, from the goal to far away.
        hues: levels 1, 2, ...; reused in turn beyond the last.
        cost: places that cost extra.
        guardrail: places that must not be entered, and what is wrong.
    """

    name: str
    page: str
    wall: str
    rim: str
    floor: str
    ink: str
    muted: str
    halo: str
    goal: str
    entrance: str
    exit: str
    heat: tuple[str, ...]
    hues: tuple[str, ...]
    cost: str
    guardrail: str

    @property
    def heat_map(self) -> LinearSegmentedColormap:
        """The colour map of cost-to-go; monotone in lightness, so that it reads in grey."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list(f"cost_to_go_{self.name}", list(self.heat))

    def level(self, level: int) -> LevelStyle:
        """The style of level ``level`` (1 is the finest): the coarser, the wider."""
        sides, rotation = _SHAPES[(level - 1) % len(_SHAPES)]
        coarseness = min(level, 5) - 1
        color = self.hues[(level - 1) % len(self.hues)]
        return LevelStyle(color, sides, rotation, width=1.6 + 1.1 * coarseness, size=4.5 + 2.2 * coarseness)

    def rc(self) -> Any:
        """Matplotlib settings for :func:`matplotlib.rc_context`, whatever the user's own settings are."""
        import matplotlib

        return {
            **{key: value for key, value in matplotlib.rcParamsDefault.items() if key in _RESET},
            "font.family": FONT,
            "font.size": 9,
            "text.color": self.ink,
            "axes.facecolor": self.page,
            "axes.edgecolor": self.muted,
            "axes.labelcolor": self.ink,
            "axes.titlesize": 10,
            "axes.linewidth": 0.7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": self.muted,
            "grid.linewidth": 0.6,
            "grid.alpha": 0.2,
            "xtick.color": self.muted,
            "ytick.color": self.muted,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "figure.facecolor": self.page,
            "savefig.facecolor": self.page,
            "svg.fonttype": "path",
            "svg.hashsalt": "viz",
            "pdf.fonttype": 42,
        }


_RESET = {"lines.linewidth", "lines.markersize", "lines.linestyle", "axes.prop_cycle", "text.usetex", "savefig.bbox"}
_SHAPES = ((0, 0.0), (4, 45.0), (4, 0.0), (3, 0.0), (5, 0.0), (6, 0.0))  # disc, square, diamond, triangle, ...

PAPER = Theme(
    name="paper",
    page="#ffffff",
    wall="#59606d",
    rim="#3f4550",
    floor="#f7f5f1",
    ink="#20242c",
    muted="#6d7482",
    halo="#ffffff",
    goal="#f2b705",
    entrance="#8c4fd1",
    exit="#35b0c9",
    heat=("#fff6cf", "#eef1cd", "#cfe6d2", "#abd3d6", "#8fb7d3"),
    hues=("#d1420f", "#0067b1", "#a3348f", "#00795a", "#8a5a00", "#37474f"),
    cost="#c47a00",
    guardrail="#c62828",
)

DARK = Theme(
    name="dark",
    page="#12151c",
    wall="#07090d",
    rim="#4a5364",
    floor="#171b23",
    ink="#eef1f6",
    muted="#98a2b3",
    halo="#0b0d12",
    goal="#ffd23f",
    entrance="#b48cff",
    exit="#5fd7ee",
    heat=("#5a7f78", "#3f6874", "#2f4f69", "#253754", "#1c2438"),
    hues=("#ff8a4c", "#56b4e9", "#f08bd8", "#3ddc97", "#f0e442", "#cfd8dc"),
    cost="#f5b642",
    guardrail="#ff5a5f",
)

THEMES = {theme.name: theme for theme in (PAPER, DARK)}


def get_theme(theme: str | Theme) -> Theme:
    """Looks a theme up by name.

    Raises:
        ThemeError: if there is no such theme.
    """
    if isinstance(theme, Theme):
        return theme
    if theme not in THEMES:
        raise ThemeError(f"theme: expected one of {', '.join(sorted(THEMES))}, not {theme!r}")
    return THEMES[theme]


def rgb255(color: str) -> tuple[int, int, int]:
    """A hex colour as 0..255 integers.

    >>> rgb255("#ff8000")
    (255, 128, 0)
    """
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def font_file(bold: bool = False) -> str:
    """Path of the font's file, for drawing text outside matplotlib (with which it comes)."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None
    name = FONT.replace(" ", "") + ("-Bold" if bold else "")
    return str(Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf")
