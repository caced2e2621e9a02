"""Price blocks as operators write them: the moment, the factor, and every mistake in one line."""

from __future__ import annotations

import datetime
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.catalog.catalog import (
    Catalog,
    CatalogError,
    describe_price_blocks,
    encode_block,
    find_difference,
    nanos_per_million,
)
from imagegate.catalog.load import load_catalog
from imagegate.catalog.price_files import parse_price_file, resolve_blocks
from imagegate.catalog.schema import Alias, PriceBlock, TokenRates
from imagegate.domain.time import US_PER_SECOND

SHIPPED = load_catalog()
VERSION = "2026-11-01.1"
DECEMBER = 1_796_083_200
RATES = 'image_output = "0.036", image_input = "0.01", image_cached_input = "0.002", text_input = "0.01"'
ROW = f'[[price]]\nmodel = "gpt-image-2"\nper_1k_tokens = {{ {RATES}, text_cached_input = "0.001" }}\n'
HEAD = 'version = "shop"\neffective_from = 2026-12-01\n'
EXTENDS = f'extends = "{VERSION}"\n'


def load(folder: Path, *texts: str, names: tuple[str, ...] = ("a.toml", "b.toml", "c.toml")) -> Catalog:
    files = [folder / name for name, _ in zip(names, texts, strict=False)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return load_catalog([Alias("house", "gpt-image-2")], [str(file) for file in files])


def images(catalog: Catalog, version: str, model: str) -> dict[str, int] | None:
    row = catalog.model_price(version, model)
    return row.per_image_nanos if row else None


def rates(catalog: Catalog, version: str, model: str) -> TokenRates:
    row = catalog.model_price(version, model)
    assert row is not None
    assert row.per_1k_tokens is not None
    return row.per_1k_tokens


@pytest.mark.parametrize(
    "moment",
    [
        "2026-12-01T00:00:00Z",
        "2026-12-01 00:00:00Z",
        "2026-12-01T00:00:00",
        "2026-12-01",
        "2026-12-01T09:00:00+09:00",
        "2026-11-30T19:00:00-05:00",
        "2026-12-01T00:00:00.000Z",
        str(DECEMBER),
        "1_796_083_200",
    ],
)
def test_the_same_moment_however_it_is_written_is_the_same_block(tmp_path: Path, moment: str) -> None:
    block = load(tmp_path, f'version = "shop"\neffective_from = {moment}\n{EXTENDS}{ROW}').blocks["shop"]
    assert block.effective_from == DECEMBER
    plain = load(tmp_path, f'version = "shop"\neffective_from = {DECEMBER}\n{EXTENDS}{ROW}').blocks["shop"]
    assert encode_block(block) == encode_block(plain)


@pytest.mark.parametrize(
    "moment",
    [
        "'2026-12-01'",
        "true",
        "1796083200.0",
        "12:00:00",
        "[2026]",
        "{}",
        "0",
        "-1",
        "1",
        "20261201",
        "1796083200000",
        "0001-01-01",
        "0026-12-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2100-01-01",
        "9999-12-31T23:59:59Z",
        "0x" + "f" * 6000,
        "2026-12-01T00:00:00.5Z",
        "nan",
        "inf",
    ],
)
def test_what_is_no_moment_or_in_an_absurd_year_is_refused(tmp_path: Path, moment: str) -> None:
    with pytest.raises(CatalogError) as refused:
        load(tmp_path, f'version = "shop"\neffective_from = {moment}\n{EXTENDS}{ROW}')
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'a.toml'}: effective_from is "), said
    assert "must be a date-time without quotes such as 2026-12-01T00:00:00Z" in said
    assert "\n" not in said


def test_four_lines_are_a_markup_for_all_and_rows_of_ones_own_are_not_multiplied(tmp_path: Path) -> None:
    catalog = load(tmp_path, f'{HEAD}{EXTENDS}factor = "1.25"\n{ROW}')
    other = rates(catalog, "shop", "gpt-image-1.5")
    assert rates(catalog, "shop", "gpt-image-2").image_output == "0.036"
    assert other.image_output == "0.036"  # 0.0288 x 1.25
    assert (other.text_cached_input, other.text_output) == ("0.00140625", "0.01125")
    assert images(catalog, "shop", "gpt-image-2-beta") == {"1K": 18_750_000, "2K": 31_875_000, "4K": 48_750_000}
    assert images(catalog, "shop", "gpt-image-1.5-lite") == {"any": 16_544_119}  # 13235295 x 1.25 = 16544118.75
    for_all = load(tmp_path, f'{HEAD}{EXTENDS}factor = "1.25"\n')
    assert {row.model for row in for_all.blocks["shop"].price} == set(SHIPPED.models)
    assert "factor" not in encode_block(for_all.blocks["shop"])


def test_each_factor_of_a_chain_multiplies_what_the_block_before_it_asks(tmp_path: Path) -> None:
    second = 'version = "second"\neffective_from = 2026-12-02\nextends = "shop"\nfactor = "0.1"\n'
    third = 'version = "third"\neffective_from = 2026-12-03\nextends = "second"\n'
    # Whatever the order of the files.
    catalog = load(tmp_path, third, second, f'{HEAD}{EXTENDS}factor = "1.1"\n{ROW}')
    assert images(catalog, "shop", "gpt-image-1.5-lite") == {"any": 14_558_825}  # 14558824.5
    assert images(catalog, "third", "gpt-image-1.5-lite") == {"any": 1_455_883}  # 1455882.5
    assert rates(catalog, "third", "gpt-image-2").image_output == "0.0036"


@given(st.integers(1, 10**15), st.integers(1, 1000 * 10**12), st.integers(1, 10**12))
def test_a_factor_is_exact_and_rounds_half_up_once(nanos: int, factor: int, image: int) -> None:
    text = f"{factor // 10**12}.{factor % 10**12:012d}"
    rate = f"{nanos // 10**12}.{nanos % 10**12:012d}"
    all_rates = dict.fromkeys(
        ("image_output", "image_input", "image_cached_input", "text_input", "text_cached_input"), rate
    )
    rows = [
        {"model": "gpt-image-2", "per_1k_tokens": all_rates},
        {"model": "gpt-4o-image", "per_image_nanos": {"any": image}},
    ]
    moments = (datetime.date(2026, 12, day) for day in (1, 2))
    contents = [
        {"version": "base", "effective_from": next(moments), "price": rows},
        {"version": "marked up", "effective_from": next(moments), "extends": "base", "factor": text},
    ]
    files = [parse_price_file(f"{number}.toml", one, SHIPPED.models, {}) for number, one in enumerate(contents)]
    expected = [int(amount * Fraction(factor, 10**12) + Fraction(1, 2)) for amount in (nanos, image)]
    if min(expected) == 0 or expected[0] > 10**18 or expected[1] > 10**17:
        with pytest.raises(CatalogError, match=r"1\.toml: factor is"):
            resolve_blocks(files)
        return
    tokens, per_image = resolve_blocks(files)[1].price
    assert tokens.per_1k_tokens
    assert nanos_per_million(tokens.per_1k_tokens.image_output) == expected[0]
    assert per_image.per_image_nanos == {"any": expected[1]}


@pytest.mark.parametrize(
    "factor", ["1.25", "true", "1", "'0'", "'0.0'", "'-1'", "'1000.000001'", "'1e1'", "'1,25'", "''", "'+1'", "' 1'"]
)
def test_a_factor_is_a_decimal_in_quotes_above_0_and_at_most_1000(tmp_path: Path, factor: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(f"a.toml: factor is {factor}: must be a decimal in quotes")):
        load(tmp_path, f"{HEAD}{EXTENDS}factor = {factor}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.toml: version is missing: it must be a name in quotes"),
        ("version = 1\n", "a.toml: version is 1: must be a name in quotes"),
        ("version = ' '\n", "a.toml: version is ' ': must be"),
        ('version = "a\\nb"\n', r"a.toml: version is 'a\nb': must be"),
        ("version = 'v'\n", "a.toml: effective_from is missing: it must be a date-time"),
        (f"{HEAD}", "a.toml: there is no price: give [[price]] tables, or extends with a factor"),
        (f"{HEAD}price = []\n", "a.toml: there is no price"),
        (f"{HEAD}factor = '2'\n{ROW}", "a.toml: factor is given without extends"),
        (f"{HEAD}extends = 5\n", "a.toml: extends is 5: must be the version of an earlier block"),
        (f"{HEAD}extends = 'shop'\n", "a.toml: extends is 'shop', which applies from 2026-12-01 00:00 UTC"),
        (f"{HEAD}extends = 'nobody'\n", f"no block has that version: must be an earlier block: {VERSION}"),
        (f"{HEAD}extend = 'x'\n", "a.toml has no field 'extend'; did you mean 'extends'?"),
        (
            f"{HEAD}zzz = 'x'\n",
            "a.toml has no field 'zzz'; it may have version, effective_from, extends, factor, price",
        ),
        (f"{HEAD}[price]\nmodel = 'gpt-image-2'\n", "must be tables headed [[price]]"),
        (f"{HEAD}{ROW}{ROW}", "a.toml: [[price]] 2: model 'gpt-image-2' has a [[price]] already"),
        (
            f"{HEAD}[[price]]\nmodel = 'gpt-imag-2'\n",
            "[[price]] 1: model is 'gpt-imag-2': must be a model of the catalog; did you mean 'gpt-image-2'?",
        ),
        (f"{HEAD}[[price]]\nmodel = 'xyz'\n", "[[price]] 1: model is 'xyz': must be one of gpt-image-2,"),
        (f"{HEAD}[[price]]\nmodel = 5\n", "[[price]] 1: model is 5: must be"),
        (f"{HEAD}[[price]]\nmodel = 'house'\n", "model is 'house', an alias: give the price of 'gpt-image-2'"),
        (f"{HEAD}[[price]]\nmodell = 'x'\n", "[[price]] 1 has no field 'modell'; did you mean 'model'?"),
        (f"{HEAD}[[price]]\nmodel = 'gpt-image-2'\n", "(gpt-image-2): per_1k_tokens is missing"),
        (
            f"{HEAD}[[price]]\nmodel = 'gpt-image-2'\nper_image_nanos = {{ any = 1 }}\n",
            "(gpt-image-2): per_image_nanos is given: it must be per_1k_tokens",
        ),
        (f"{HEAD}{ROW}per_image_nanos = {{ any = 1 }}\n", "(gpt-image-2): per_image_nanos is given"),
        (
            f"{HEAD}[[price]]\nmodel = 'gpt-4o-image'\nper_1k_tokens = {{ {RATES} }}\n",
            "(gpt-4o-image): per_1k_tokens is given: it must be per_image_nanos",
        ),
        (f"{HEAD}[[price]]\nmodel = 'gpt-image-2'\nper_1k_tokens = 5\n", "per_1k_tokens is 5: must be a table"),
        (
            f"{HEAD}[[price]]\nmodel = 'gpt-image-2'\nper_1k_tokens = {{ {RATES} }}\n",
            "per_1k_tokens: text_cached_input is missing: it must be USD per 1K tokens in quotes",
        ),
        (
            ROW.replace("text_cached", "txt_cached"),
            "has no field 'txt_cached_input'; did you mean 'text_cached_input'?",
        ),
        (ROW.replace('"0.036"', "0.036"), "per_1k_tokens: image_output is 0.036: must be USD per 1K tokens in quotes"),
        (ROW.replace('"0.036"', "36"), "image_output is 36: must be"),
        (ROW.replace("0.036", "-0.036"), "image_output is '-0.036': must be"),
        (ROW.replace("0.036", "$0.036"), "image_output is '$0.036': must be"),
        (ROW.replace("0.036", "0.0000000000001"), "image_output is '0.0000000000001': must be"),
        (ROW.replace("0.036", "1000000.1"), "image_output is '1000000.1': must be"),
        (ROW.replace("0.036", "1" * 200), "…: must be USD"),
    ]
    + [
        (f"{HEAD}[[price]]\nmodel = 'gpt-4o-image'\nper_image_nanos = {table}\n", said)
        for table, said in (
            ("{ any = 1.5 }", "per_image_nanos: any is 1.5: must be whole nanos"),
            ("{ any = '5' }", "any is '5': must be whole nanos"),
            ("{ any = true }", "any is true: must be whole nanos"),
            ("{ any = -1 }", "any is -1: must be whole nanos"),
            ("{ any = 100000000000000001 }", "any is 100000000000000001: must be whole nanos"),
            ("{ 1k = 1 }", "has no field '1k'; did you mean '1K'?"),
            ("{ 8K = 1 }", "has no field '8K'"),
            ("{ 1K = 1, 4K = 1 }", "2K is missing: give 1K, 2K and 4K, or any for the others"),
            ("{}", "1K is missing"),
        )
    ],
)
def test_a_mistake_in_a_price_file_is_one_line_with_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CatalogError) as refused:
        load(tmp_path, text if "version" in text or not text else HEAD + text)
    message = str(refused.value)
    assert said in message
    assert message.startswith(str(tmp_path))
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for name, content, said in (
        ("latin.toml", b'version = "\xe9"', "is not text in UTF-8"),
        ("bad.toml", b"version = ", "is not valid TOML: Invalid value"),
        ("day.toml", b"effective_from = 2026-13-01", "is not valid TOML"),
        ("deep.toml", b"a = " + b"[" * 5000, "is not valid TOML"),
        ("large.toml", b"effective_from = " + b"9" * 5000, "is not valid TOML"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CatalogError, match=said) as refused:
            load_catalog((), [str(tmp_path / name)])
        assert "\n" not in str(refused.value)
    with pytest.raises(CatalogError, match=r"cannot read .*: Is a directory"):
        load_catalog((), [str(tmp_path)])


def test_two_blocks_of_one_version_or_one_moment_are_refused(tmp_path: Path) -> None:
    first = f"{HEAD}{EXTENDS}factor = '2'\n"
    with pytest.raises(CatalogError, match=r"b.toml: version is 'shop', that of .*a.toml too"):
        load(tmp_path, first, first.replace("12-01", "12-02"))
    with pytest.raises(CatalogError, match=r"a.toml is listed twice in price_files"):
        load(tmp_path, first, first, names=("a.toml", "a.toml"))
    with pytest.raises(CatalogError, match=rf"a.toml: version is '{VERSION}', that of prices-2026-11-01.toml too"):
        load(tmp_path, first.replace('"shop"', f'"{VERSION}"'))
    with pytest.raises(CatalogError, match=r"b.toml: effective_from is 2026-12-01 00:00 UTC, that of shop in .*a.toml"):
        load(tmp_path, first, first.replace("shop", "other"))


def test_what_a_block_charges_makes_it_another_not_how_it_is_written(tmp_path: Path) -> None:
    plain = load(tmp_path, f"{HEAD}{EXTENDS}{ROW}").blocks["shop"]

    def change(text: str) -> str | None:
        return find_difference(plain, load(tmp_path, text).blocks["shop"])

    assert change(f"{HEAD}{EXTENDS}{ROW.replace('0.036', '0.0360')}") is None
    assert change(f"{HEAD}{EXTENDS}factor = '1.000'\n{ROW}") is None
    reordered = PriceBlock("shop", DECEMBER, tuple(reversed(plain.price)))
    assert find_difference(plain, reordered) is None
    assert change(f"{HEAD}{EXTENDS}{ROW.replace('0.036', '0.04')}") == "image_output of gpt-image-2 was 0.036, is 0.04"
    assert (
        change(f"{HEAD}{ROW}") == "image_output of gpt-image-1.5 was 0.0288, is absent"
        or change(f"{HEAD}{ROW}") == "1K of gpt-image-2-beta was 15000000, is absent"
    )
    later = HEAD.replace("2026-12-01", "2026-12-01T00:00:01Z")
    assert change(f"{later}{EXTENDS}{ROW}") == ("effective_from was 2026-12-01 00:00 UTC, is 2026-12-01 00:00:01 UTC")


def test_the_start_says_which_block_applies_and_which_comes_when(tmp_path: Path) -> None:
    second = 'version = "second"\neffective_from = 2027-01-01T06:00:00Z\nextends = "shop"\n'
    catalog = load(tmp_path, second, f"{HEAD}{EXTENDS}factor = '1.25'\n")

    def said(seconds: int) -> list[str]:
        return describe_price_blocks(catalog, seconds * US_PER_SECOND)

    assert said(DECEMBER - 25 * 3600) == [
        f"shop applies from 2026-12-01 00:00 UTC (in 25 h); until then {VERSION}",
        "second applies from 2027-01-01 06:00 UTC (in 32 days); until then shop",
    ]
    assert said(DECEMBER - 61)[0].startswith("shop applies from 2026-12-01 00:00 UTC (in 2 min);")
    assert said(DECEMBER) == ["second applies from 2027-01-01 06:00 UTC (in 31 days); until then shop"]
    assert said(DECEMBER + 40 * 86_400) == ["second applies since 2027-01-01 06:00 UTC"]
