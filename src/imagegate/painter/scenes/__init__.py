"""One module for each kind of scene. `SCENES` maps names to paint functions."""

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

# scenes that can be painted on transparency; the others get rounded corners instead
SUBJECTS = frozenset({"space", "bloom", "emblem", "creature", "portrait", "vessel"})
