from functools import partial

from emulators import UNet

small_unet = partial(UNet, width=4, multipliers=(1, 2))
