# SPDX-License-Identifier: Apache-2.0
"""The colours of classes: the same class has the same colour on every picture, for every eye."""

from __future__ import annotations

Colour = tuple[int, int, int]  # RGB, 0..255

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
SRGB_KNEE = 0.04045  # below it the sRGB curve is a straight line

# The first six are those of Okabe and Ito (2008), which people with any kind of colour vision tell apart; their yellow
# is
# left out, since it is lost on white. Each later one is the colour farthest from all before it: the least of the
# distances
# in OKLab and CIELAB with usual eyes and in OKLab with red- and green-blind ones; neon and what vanishes on white are
# left out.
_RGB = bytes.fromhex(
    "0072B2 D55E00 009E73 CC79A7 E69F00 56B4E9 544800 78186C 8478FC 3C30A8 905454 90C090 C03C90 007878 9C0C3C FC84CC "
    "B460D8 309000 0C4884 84600C "
    "CCD800 F0C0B4 54E4F0 00E490 9C9048 FC9078 CCB4FC 8478B4 6C489C 3CC054 604860 309CB4 D84860 FCC060 185448 3C84E4 "
    "00C0B4 909CFC 54783C 6060CC "
    "FC549C 9024B4 0054D8 B48478 CC9CA8 306000 B4C048 606C90 FC603C E460CC 9CC0E4 9C0084 C03030 9C54A8 F078FC FCA8CC "
    "847854 8454F0 CCCC90 6CA860 "
    "B484E4 6C3C30 9CE478 3C606C F08430 A85478 B40C6C F07890 C0A86C 5430CC 60A800 903C24 6C90CC D890E4 B46048 6C9C90 "
    "90D8B4 B43CC0 246C48 844878 "
    "E4C000 F0A86C D87854 3C9CF0 E4C0E4 484890 24CCFC CC8400 A8A8CC 6C189C A8780C 843054 0030C0 306CE4 78D818 C0609C "
    "3054B4 9C7884 D89078 603078"
)
COLOURS: tuple[Colour, ...] = tuple(zip(_RGB[0::3], _RGB[1::3], _RGB[2::3], strict=True))


def colour(index: int) -> Colour:
    """The colour of a class. After a hundred they come again."""
    return COLOURS[int(index) % len(COLOURS)]


def readable_on(background: Colour) -> Colour:
    """Black or white, whichever stands out more on this background."""
    # Contrast as in WCAG 2: both are equally far from a luminance of sqrt(1.05 * 0.05) - 0.05.
    return BLACK if luminance(background) > (1.05 * 0.05) ** 0.5 - 0.05 else WHITE


def luminance(rgb: Colour) -> float:
    """Relative luminance of an sRGB colour, 0..1."""
    shares = [value / 255 for value in rgb]
    linear = [share / 12.92 if share <= SRGB_KNEE else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
