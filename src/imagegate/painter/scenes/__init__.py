"""One file = one family of pictures; each paints a Stage and knows nothing of the others."""

from imagegate.painter.scenes import (
    bloom,
    city,
    creature,
    desert,
    emblem,
    forest,
    portrait,
    ribbons,
    sea,
    space,
    vessel,
    vista,
)

SCENES = {
    "vista": vista.paint,
    "sea": sea.paint,
    "forest": forest.paint,
    "desert": desert.paint,
    "city": city.paint,
    "space": space.paint,
    "ribbons": ribbons.paint,
    "bloom": bloom.paint,
    "emblem": emblem.paint,
    "creature": creature.paint,
    "portrait": portrait.paint,
    "vessel": vessel.paint,
}

# these can stand on nothing; the others are cut out as a card
SUBJECTS = frozenset({"space", "bloom", "emblem", "creature", "portrait", "vessel"})
