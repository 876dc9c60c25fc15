"""utils/bench/plot.py: figures over time as an SVG, drawn by hand.

Panels stand one above the other over the same seconds. A panel has lines, and perhaps a bound that
they are held to; phases are told apart by their shade.
"""
import math

LEFT, WIDTH, RIGHT, TOP, BOTTOM = 84, 760, 120, 44, 34
PANEL, GAP = 170, 30
POINTS_MAX = 800  # More than one can see; of what falls together the greatest is drawn.
COLORS = ("#0969da", "#d4a72c", "#cf222e", "#2da44e", "#8250df")
STYLE = """<style>
  text { font: 12px sans-serif; fill: #24292f } .head { font-weight: bold; font-size: 14px }
  .end { text-anchor: end } .middle { text-anchor: middle } .grid { stroke: #d0d7de }
  .line { fill: none; stroke-width: 1.3 } .bound { stroke: #cf222e; stroke-dasharray: 6 4 }
  .shade { fill: #f6f8fa }
</style>"""


class Panel:
    """`lines`: [(name, [(second, value)])]; `bounds`: [(value, what)]; `show` makes text of a value."""

    def __init__(self, title, lines, bounds=(), show="{:g}".format, logarithmic=False):
        self.title, self.lines, self.bounds = title, lines, bounds
        self.show, self.logarithmic = show, logarithmic

    def range(self):
        values = [v for _, points in self.lines for _, v in points] + [b for b, _ in self.bounds]
        values = [v for v in values if v > 0] or [1]
        if self.logarithmic:
            first = math.floor(math.log10(min(values)))
            return 10.0**first, 10.0 ** max(math.ceil(math.log10(max(values))), first + 1)
        return 0, _round_up(max(values))

    def ticks(self):
        least, most = self.range()
        if not self.logarithmic:
            return [most * i / 4 for i in range(5)]
        count = round(math.log10(most / least))
        return [least * 10**i for i in range(count + 1)]

    def height_of(self, value):
        """From 0 at the bottom to 1."""
        least, most = self.range()
        if self.logarithmic:
            return math.log(max(value, least) / least) / math.log(most / least)
        return value / most


def _round_up(value):
    unit = 10 ** math.floor(math.log10(value))
    return next(unit * n for n in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if unit * n >= value * 0.999)


def svg(title, panels, phases):
    """phases: [(first second, last second, name)]"""
    last = max([end for _, end, _ in phases] +
               [second for panel in panels for _, points in panel.lines for second, _ in points])
    height = TOP + (PANEL + GAP) * len(panels) + BOTTOM

    def x(second):
        return LEFT + WIDTH * second / max(last, 1)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d">' %
           (LEFT + WIDTH + RIGHT, height), STYLE,
           '<rect width="100%" height="100%" rx="6" fill="#ffffff"/>',
           '<text x="16" y="24" class="head">%s</text>' % escape(title)]
    for i, panel in enumerate(panels):
        top = TOP + GAP + (PANEL + GAP) * i
        out += _draw(panel, top, x, phases, with_names=i == 0)
    bottom = TOP + (PANEL + GAP) * len(panels)
    for i in range(5):
        out.append('<text class="middle" x="%.1f" y="%d">%.0f s</text>' %
                   (x(last * i / 4), bottom + 18, last * i / 4))
    return "\n".join(out + ["</svg>", ""])


def _draw(panel, top, x, phases, with_names):
    bottom = top + PANEL

    def y(value):
        return bottom - PANEL * min(panel.height_of(value), 1)
    out = ['<text x="%d" y="%d">%s</text>' % (LEFT, top - 8, escape(panel.title))]
    right = LEFT + WIDTH  # of the names of lines, which stand over the panel
    for i, (begin, end, name) in enumerate(phases):
        if i % 2 == 1:
            out.append('<rect class="shade" x="%.1f" y="%d" width="%.1f" height="%d"/>' %
                       (x(begin), top, x(end) - x(begin), PANEL))
        if with_names and x(end) - x(begin) > 7 * len(name):
            out.append('<text class="middle" x="%.1f" y="%d">%s</text>' %
                       (x((begin + end) / 2), top + 14, escape(name)))
    for tick in panel.ticks():
        out.append('<path class="grid" d="M%d %.1f h%d"/>' % (LEFT, y(tick), WIDTH))
        out.append('<text class="end" x="%d" y="%.1f">%s</text>' %
                   (LEFT - 8, y(tick) + 4, escape(panel.show(tick))))
    for bound, what in panel.bounds:
        out.append('<path class="bound" d="M%d %.1f h%d"/>' % (LEFT, y(bound), WIDTH))
        out.append('<text x="%d" y="%.1f">%s</text>' % (LEFT + WIDTH + 6, y(bound) + 4, escape(what)))
    for i, (name, points) in reversed(list(enumerate(panel.lines))):
        color = COLORS[i % len(COLORS)]
        path = " ".join("%.1f,%.1f" % (x(second), y(value)) for second, value in _thin(points))
        out.append('<polyline class="line" stroke="%s" points="%s"/>' % (color, path))
        out.append('<text class="end" style="fill: %s" x="%d" y="%d">%s</text>' %
                   (color, right, top - 8, escape(name)))
        right -= 8 * len(name) + 12
    return out


def _thin(points):
    step = max(1, -(-len(points) // POINTS_MAX))
    return [(points[i][0], max(value for _, value in points[i:i + step]))
            for i in range(0, len(points), step)]


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
