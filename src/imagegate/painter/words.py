"""Reads what a prompt asks for from its words, in English and Korean."""

import re

import msgspec

_SCENES: dict[str, str] = {
    "creature": "fox cat kitten dog puppy wolf owl bear panda rabbit bunny robot penguin bird tiger lion koala animal"
    " 여우 고양이 강아지 늑대 부엉이 올빼미 판다 토끼 로봇 펭귄 호랑이 사자 코알라 동물",
    "emblem": "logo icon emblem badge minimal minimalist symbol brand monogram 로고 아이콘 엠블럼 미니멀 심볼 브랜드",
    "portrait": "portrait woman man girl boy person face model people 초상 인물 여자 남자 소녀 소년 얼굴 사람",
    "vessel": "bottle perfume vase cup coffee tea mug product cosmetic lamp candle jar pottery headphones packaging"
    " 향수 화병 꽃병 커피 머그 제품 화장품 램프 도자기 상품 음료",
    "bloom": "flower flowers rose lotus tulip daisy sunflower blossom peony garden bouquet botanical"
    " 꽃 장미 연꽃 튤립 해바라기 벚꽃 정원 꽃다발",
    "space": "space galaxy nebula planet cosmos universe saturn stars astronaut asteroid 우주 은하 성운 행성 토성 별",
    "city": "city skyline skyscraper downtown urban cyberpunk street tokyo seoul york metropolis building buildings"
    " 도시 도심 빌딩 서울 도쿄 거리 야경 시티 사이버펑크",
    "sea": "ocean sea beach wave waves lighthouse island harbor coast seaside 바다 해변 파도 등대 섬 항구 해안 오션",
    "desert": "desert dune dunes sahara camel cactus canyon pyramid 사막 모래 선인장 협곡 피라미드",
    "forest": "forest wood woods tree trees jungle pine redwood 숲 나무 소나무 정글",
    "vista": "mountain mountains hill hills valley lake landscape alps snow snowy cabin river meadow scenery"
    " 산 언덕 계곡 호수 풍경 설산 눈 오두막 강 초원 들판",
    "ribbons": "abstract ribbon ribbons wallpaper gradient flow fluid marble texture pattern background silk waveform"
    " 추상 리본 배경 그라데이션 그라디언트 유체 대리석 패턴 비단",
}
# objects that imply a scene only where no word names one
_IMPLIED_SCENES: dict[str, str] = {
    "sea": "boat sailboat ship sailing yacht gulls 돛단배 요트 갈매기",
    "vista": "balloon balloons bird birds sky cloud clouds 열기구 하늘 구름",
}
_LIGHTS: dict[str, str] = {
    "aurora": "aurora northern borealis 오로라",
    "neon": "neon cyberpunk synthwave vaporwave 네온 사이버펑크",
    "night": "night midnight moon moonlight moonlit starry nocturnal dark 밤 야경 달빛 달밤 심야 별밤",
    "dusk": "dusk twilight evening 황혼 저녁 땅거미",
    "sunset": "sunset 노을 석양 일몰",
    "dawn": "dawn sunrise morning misty foggy 새벽 일출 아침 안개",
    "golden": "golden autumn fall warm 가을 황금 단풍 따뜻",
    "storm": "storm stormy rain rainy cloudy overcast thunder 폭풍 비 흐린 장마",
    "winter": "snow snowy winter frozen ice icy 눈 겨울 설산 얼음 설경",
    "pastel": "pastel dreamy soft cute kawaii spring 파스텔 몽환 귀여운 봄",
    "day": "day sunny summer blue-sky noon bright 낮 맑은 여름 화창 한낮",
}
_COLOURS: dict[str, str] = {
    "red": "red crimson scarlet 빨간 빨강 붉은",
    "orange": "orange 주황 오렌지",
    "yellow": "yellow 노란 노랑",
    "green": "green emerald 초록 녹색",
    "teal": "teal turquoise cyan mint 청록 민트",
    "blue": "blue 파란 파랑 푸른",
    "navy": "navy indigo 남색",
    "purple": "purple violet lavender 보라 자주",
    "pink": "pink magenta 분홍 핑크",
    "brown": "brown 갈색",
    "gold": "gold 금색 골드",
    "white": "white 하얀 흰",
    "black": "black 검은 검정",
    "grey": "grey gray silver 회색 은색",
}
_CREATURES: dict[str, str] = {
    "fox": "fox 여우",
    "cat": "cat kitten 고양이",
    "dog": "dog puppy 강아지 개",
    "wolf": "wolf 늑대",
    "owl": "owl bird 부엉이 올빼미 새",
    "bear": "bear 곰",
    "panda": "panda 판다",
    "rabbit": "rabbit bunny 토끼",
    "robot": "robot android 로봇",
    "penguin": "penguin 펭귄",
    "tiger": "tiger 호랑이",
    "lion": "lion 사자",
    "koala": "koala 코알라",
}
_OBJECTS: dict[str, str] = {
    "boat": "boat sailboat ship sailing yacht 배 돛단배 요트",
    "lighthouse": "lighthouse 등대",
    "cabin": "cabin house cottage hut 오두막 집",
    "balloon": "balloon balloons 열기구 풍선",
    "birds": "birds bird gulls 새 갈매기",
    "cactus": "cactus cacti 선인장",
    "pyramid": "pyramid pyramids 피라미드",
    "lake": "lake river reflection pond 호수 강 반영",
    "snow": "snow snowy winter 눈 설산 겨울 설경",
    "rain": "rain rainy 비 장마",
    "planet": "planet saturn 행성 토성",
    "galaxy": "galaxy spiral 은하",
    "meadow": "meadow field grass spring 초원 들판 봄",
    "cup": "cup coffee tea mug 커피 머그 컵 찻잔",
    "bottle": "bottle perfume cosmetic product 향수 화장품 제품 음료 병",
    "lotus": "lotus 연꽃",
    "rose": "rose peony 장미 모란",
    "daisy": "daisy sunflower 데이지 해바라기",
    "tulip": "tulip 튤립",
    "sakura": "sakura cherry blossom 벚꽃",
    "marble": "marble fluid liquid 대리석 유체",
    "sun": "sun 태양 해",
    "moon": "moon moonlit 달 달빛",
}
_STYLES: dict[str, str] = {
    "watercolor": "watercolor watercolour 수채화 수채",
    "sketch": "sketch pencil drawing lineart 스케치 연필 드로잉",
    "night": "night midnight 밤 야간",
    "sepia": "sepia vintage retro 세피아 빈티지 레트로",
    "neon": "neon cyberpunk 네온 사이버펑크",
    "blur": "blur blurry bokeh 흐림 블러 보케",
    "pixel": "pixel pixelart 8-bit 픽셀 도트",
    "mono": "monochrome grayscale b&w noir 흑백 모노",
    "poster": "poster cartoon comic flat 포스터 만화 카툰",
    "warm": "warm sunset golden 따뜻 노을 석양",
    "cool": "cool cold winter ice 차가운 겨울",
    "dream": "dreamy pastel glow 몽환 파스텔",
    "invert": "invert negative 반전",
    "oil": "oil painting impressionist 유화 인상파",
}

_DEFAULT_SCENES = ("vista", "sea", "ribbons", "space", "bloom", "forest", "city", "desert")


class PromptReading(msgspec.Struct, frozen=True):
    """What the painter understood of a prompt. `scene_named`: the scene comes from a word, not from the default."""

    scene: str
    scene_named: bool
    light: str
    colours: tuple[str, ...]
    creature: str
    objects: frozenset[str]
    styles: tuple[str, ...]


class PromptWords:
    """Words of a prompt. English matches whole words, Korean by containment, because particles attach to nouns."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt.lower()
        tokens = re.findall(r"[a-z0-9&][a-z0-9&'-]*", self._prompt)
        self._english = {form for token in tokens for form in (token, token.removesuffix("s"), *token.split("-"))}
        self._korean = re.findall(r"[가-힣]+", self._prompt)

    def contains(self, word: str) -> bool:
        if word.isascii():
            return word in self._english
        if len(word) == 1:
            # one syllable occurs in many words: it must stand alone or before a particle
            return any(
                re.fullmatch(word + "(이|가|은|는|을|를|의|에|과|와|도|로|으로|에서|속|위)?", found)
                for found in self._korean
            )
        return any(word in found for found in self._korean)

    def position_of(self, word: str) -> int:
        at = self._prompt.find(word)
        return at if at >= 0 else len(self._prompt)

    def matches(self, vocabulary: dict[str, str]) -> list[str]:
        return [name for name, words in vocabulary.items() if any(self.contains(word) for word in words.split())]

    def first_match(self, vocabulary: dict[str, str]) -> str:
        return next(iter(self.matches(vocabulary)), "")


def read_prompt(prompt: str, default_choice: int) -> PromptReading:
    """`default_choice` is any number; it picks the scene where no word names one."""
    reader = PromptWords(prompt)
    things = frozenset(reader.matches(_OBJECTS))
    named = reader.first_match(_SCENES) or reader.first_match(_IMPLIED_SCENES)
    return PromptReading(
        scene=named or _DEFAULT_SCENES[default_choice % len(_DEFAULT_SCENES)],
        scene_named=bool(named),
        light=reader.first_match(_LIGHTS),
        colours=tuple(sorted(reader.matches(_COLOURS), key=lambda name: _position(reader, name))),
        creature=reader.first_match(_CREATURES),
        objects=things,
        styles=tuple(reader.matches(_STYLES)),
    )


def _position(reader: PromptWords, colour: str) -> int:
    return min(reader.position_of(word) for word in _COLOURS[colour].split())
