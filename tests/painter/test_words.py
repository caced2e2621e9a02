"""What the painter understands of a prompt."""

import pytest

from imagegate.painter.words import read_prompt


@pytest.mark.parametrize(
    ("prompt", "scene", "light"),
    [
        ("sunset over the ocean", "sea", "sunset"),
        ("노을 지는 바다", "sea", "sunset"),
        ("밤의 도시 스카이라인", "city", "night"),
        ("Mountains under an aurora", "vista", "aurora"),
        ("산과 호수, 새벽", "vista", "dawn"),
        ("minimal logo for a bakery", "emblem", ""),
        ("우주를 떠도는 행성", "space", ""),
        ("숲", "forest", ""),
        ("a red fox in the snow", "creature", "winter"),
        ("perfume bottle", "vessel", ""),
    ],
)
def test_words_choose_scene_and_light(prompt: str, scene: str, light: str) -> None:
    reading = read_prompt(prompt, 0)
    assert (reading.scene, reading.light, reading.scene_named) == (scene, light, True)


def test_english_words_count_whole_only() -> None:
    assert not read_prompt("concatenate education", 0).scene_named


def test_one_korean_syllable_counts_at_the_head_of_a_word() -> None:
    assert read_prompt("산에서", 0).scene == "vista"
    assert not read_prompt("부산물", 0).scene_named


def test_colours_keep_the_order_of_the_prompt() -> None:
    assert read_prompt("blue and red and 노란", 0).colours == ("blue", "red", "yellow")


def test_a_silent_prompt_picks_by_number() -> None:
    scenes = {read_prompt("zzz", number).scene for number in range(8)}
    assert len(scenes) == 8
