"""Prompts of some 80 to 250 characters, as varied as those of people: a tenth of them Korean."""

from __future__ import annotations

import random

# What is searched for. The share of `COMMON` is of all prompts; `RARE` comes once in so many tasks.
COMMON, COMMON_SHARE = "fox", 0.1
KOREAN_SHARE = 0.1
KOREAN_SHORT = "여우"  # two letters, in a fifth of the Korean prompts
RARE, RARE_EVERY = "zeppelin", 3_000
NONE, KOREAN_NONE = "quixotry", "도롱뇽"


def _words(text: str) -> list[str]:
    return text.split()


def _phrases(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split("|")]


_SUBJECTS = _words(
    """owl lighthouse teapot astronaut bicycle violin dragon baker cathedral sailboat robot gardener whale piano tram
    windmill samurai bookshop chessboard jellyfish mountaineer carousel fisherman telescope greenhouse hedgehog
    locomotive ballerina clockmaker lantern cactus penguin typewriter market submarine orchard waterfall beekeeper
    castle raven vineyard accordion kitchen elephant glacier postman harbour squirrel motorcycle library"""
)
_MANNERS = _words(
    """weathered gleaming tiny colossal translucent mossy copper porcelain crystalline velvet wooden rusted gilded
    striped patchwork glowing frozen floating ancient futuristic melancholy cheerful sleepy elegant crumbling
    embroidered iridescent marble paper inflatable"""
)
_PLACES = _phrases(
    """in a snowy forest at sunset|on the rooftops of an old city|beside a quiet canal in autumn|in the middle of a
    busy night market|under a sky full of northern lights|inside an abandoned observatory|at the edge of a salt
    desert|on a wooden pier in thick fog|within a greenhouse full of ferns|on a table set for two|in front of a wall of
    faded posters|at the bottom of a shallow reef|between rows of sunflowers|on the steps of a courthouse|in a sunlit
    attic|over a valley of rice terraces"""
)
_STYLES = _phrases(
    """watercolour on rough paper|a 35mm photograph with shallow depth of field|flat vector illustration, four
    colours|oil painting with visible brush strokes|isometric pixel art|a linocut in black and red|studio product shot
    on a white background|ukiyo-e woodblock print|pencil sketch with cross-hatching|stop-motion clay figures|stained
    glass with heavy lead lines|a blueprint with handwritten notes|gouache in muted pastels|cinematic still, anamorphic
    lens|a vintage travel poster|low-poly render"""
)
_LIGHTS = _phrases(
    """soft morning light|hard rim light from the left|candlelight and long shadows|overcast and even|neon reflections
    on wet asphalt|golden hour haze|moonlight through branches|bright and airy|moody chiaroscuro|light from a single
    window"""
)
_KOREAN_SUBJECTS = _words(
    """고양이 등대 자전거 우주비행사 올빼미 도서관 바이올린 한옥마을 기차역 할머니 로봇 정원사 고래 찻집
    시장 풍차 강아지 돛단배 요리사 온실"""
)
_KOREAN_PLACES = _phrases(
    """눈 덮인 숲속에서 해가 질 무렵|비 내리는 서울 골목길 위에서|단풍이 물든 산사 앞마당에서|안개 낀
    바닷가 나무 부두에서|오래된 책방의 창가 자리에서|네온사인이 비치는 젖은 거리에서|별이 가득한
    사막 한가운데에서|햇살이 드는 다락방에서"""
)
_KOREAN_STYLES = _phrases(
    """수채화 느낌으로 부드럽게|필름 사진처럼 얕은 심도로|단순한 벡터 일러스트로 네 가지 색만 써서|붓
    자국이 살아 있는 유화로|따뜻한 색감의 동화책 삽화로|흑백 연필 스케치로 섬세하게"""
)
_SYLLABLES = _words(
    """ba be bo da de du fa fi ga go ha ka ki ko la le lo ma mi mo na ne no pa ra ri ro sa se ta ti to va vi za"""
)


def new_prompt(chance: random.Random, number: int) -> str:
    """Of the task of this number; no character in it has to be escaped in JSON or SQL."""
    pick = chance.random
    if pick() < KOREAN_SHARE:
        subject = KOREAN_SHORT if pick() < 0.2 else _KOREAN_SUBJECTS[int(pick() * len(_KOREAN_SUBJECTS))]
        other = _KOREAN_SUBJECTS[int(pick() * len(_KOREAN_SUBJECTS))]
        place = _KOREAN_PLACES[int(pick() * len(_KOREAN_PLACES))]
        text = f"{place} {subject} 한 마리와 {other} 이야기, {_KOREAN_STYLES[int(pick() * len(_KOREAN_STYLES))]}"
        if pick() < 0.5:
            text = f"{text}, {_KOREAN_STYLES[int(pick() * len(_KOREAN_STYLES))]} 그려 주세요. 배경에는 {other} 그림자"
        return f"{text}. 번호 {number % 9973}"
    subject = COMMON if pick() < COMMON_SHARE / (1 - KOREAN_SHARE) else _SUBJECTS[int(pick() * len(_SUBJECTS))]
    if number % RARE_EVERY == RARE_EVERY // 2:
        subject = RARE
    # A name nobody else has: most words of real prompts are rare.
    name = "".join([_SYLLABLES[int(pick() * len(_SYLLABLES))] for _ in range(4)]).capitalize()
    manner, other = _MANNERS[int(pick() * len(_MANNERS))], _MANNERS[int(pick() * len(_MANNERS))]
    place, style = _PLACES[int(pick() * len(_PLACES))], _STYLES[int(pick() * len(_STYLES))]
    text = f"A {manner} {subject} called {name} {place}, {style}"
    if pick() < 0.6:
        text = f"{text}; {_LIGHTS[int(pick() * len(_LIGHTS))]}"
    if pick() < 0.4:
        friend = _SUBJECTS[int(pick() * len(_SUBJECTS))]
        text = f"{text}, with a {other} {friend} in the background, detail {number % 9973}"
    return text
