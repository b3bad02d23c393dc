import io

from PIL import Image

from callbacks.plotting.export import png
from callbacks.plotting.style import sheet


def test_file_of_a_figure_has_120_points_per_inch():
    assert Image.open(io.BytesIO(png(sheet(3, 2)))).size == (360, 240)
