"""How numbers are written for people: significant digits, uncertainty, units, and a reason where there is none."""

import math
import re
from collections.abc import Sequence
from typing import Any

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def quantity(column: str) -> tuple[str, str]:
    """Name and unit of a measured column; a column not known by name stands for itself, without a unit."""
    return {"ct_hu": ("CT number", "HU"), "qsm_ppm": ("susceptibility", "ppm")}.get(column, (column, ""))


def with_unit(column: str) -> str:
    """A measured column in words with its unit, for axes and headings: ``CT number (HU)``."""
    name, unit = quantity(column)
    return f"{name[0].upper()}{name[1:]} ({unit})" if unit else name


def missing(value: Any) -> bool:
    """Whether a value is None, NaN, infinite or pandas' NA."""
    if value is None:
        return True
    try:
        return not math.isfinite(value)
    except (TypeError, ValueError):
        return not isinstance(value, str)


def no_value(reason: str = "") -> str:
    """The mark of a number that does not exist, with the reason when there is one."""
    return f"{NONE} ({reason})" if reason else NONE


def unit_words(unit: str) -> str:
    """A unit as it is read aloud: ``ppm/(mmol/L)`` becomes ``ppm per mmol/L``; others stay as they are."""
    match = re.fullmatch(r"(.+?)/\((.+)\)", unit.strip())
    return f"{match[1]} per\N{NO-BREAK SPACE}{match[2]}" if match else unit.strip()


def number(value: float | None, digits: int = 4, reason: str = "") -> str:
    """A number with so many significant digits, a true minus sign, and powers of ten where zeros would hide it.

    Parameters
    ----------
    value : float or None
        None, NaN and infinity give an en dash.
    digits : int
        Significant digits.
    reason : str
        Why there is no number; shown only then.

    Returns
    -------
    str
    """
    if missing(value):
        return no_value(reason)
    value = float(value)  # type: ignore[arg-type]
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if _needs_power(exponent):
        return f"{_fixed(rounded / 10.0**exponent, digits - 1)} × {_power(exponent)}"
    return _fixed(rounded, max(0, digits - 1 - exponent))


def fixed(value: float | None, decimals: int = 2, reason: str = "") -> str:
    """A number with so many decimals and a true minus sign; for columns whose decimal points should stand in line."""
    return no_value(reason) if missing(value) else _fixed(float(value), decimals)  # type: ignore[arg-type]


def trimmed(value: float | None) -> str:
    """A number that was given, not estimated: as many digits as it has, six at most, no trailing zeros."""
    if missing(value):
        return NONE
    text = f"{float(value):.6g}"  # type: ignore[arg-type]
    return number(value, 6) if "e" in text else text.replace("-", MINUS)


def with_uncertainty(value: float | None, standard_error: float | None, unit: str = "", reason: str = "") -> str:
    """Value ± standard error, both cut where the standard error's second significant digit stands.

    Parameters
    ----------
    value : float or None
        The estimate.
    standard_error : float or None
        Its standard error; without one the value stands alone with four significant digits.
    unit : str
        Written after the number, in words (`unit_words`).
    reason : str
        Why there is no value.

    Returns
    -------
    str
        For example ``0.3312 ± 0.0041 ppm per mmol/L`` or ``(−2.51 ± 0.24) × 10⁻⁴ ppm per mmol/L``.
    """
    if missing(value):
        return no_value(reason)
    tail = f" {unit_words(unit)}" if unit else ""
    if missing(standard_error) or standard_error == 0:
        return number(value) + tail
    value, error = float(value), abs(float(standard_error))  # type: ignore[arg-type]
    error = float(f"{error:.1e}")
    last = math.floor(math.log10(error)) - 1  # power of ten of the last digit that is shown
    rounded = round(value / 10.0**last) * 10.0**last
    largest = max(abs(rounded), error)
    exponent = math.floor(math.log10(largest))
    if _needs_power(exponent):
        scale, decimals = 10.0**exponent, exponent - last
        return f"({_fixed(rounded / scale, decimals)} ± {_fixed(error / scale, decimals)}) × {_power(exponent)}{tail}"
    decimals = max(0, -last)
    return f"{_fixed(rounded, decimals)} ± {_fixed(error, decimals)}{tail}"


def interval(low_high: Sequence[float | None] | None, digits: int = 3, reason: str = "") -> str:
    """An interval as ``low to high``: a dash between two numbers that may be negative is misread."""
    if low_high is None or any(missing(bound) for bound in low_high):
        return no_value(reason)
    low, high = (float(bound) for bound in low_high)  # type: ignore[arg-type]
    width = abs(high - low)
    largest = max(abs(low), abs(high))
    if largest == 0 or width == 0:
        return f"{number(low, digits)} to {number(high, digits)}"
    exponent = math.floor(math.log10(largest))
    # Enough decimals to show the width with two digits, and never fewer digits than asked for.
    last = min(math.floor(math.log10(width)) - 1, exponent - digits + 1)
    if _needs_power(exponent):
        scale = 10.0**exponent
        return (
            f"({_fixed(low / scale, exponent - last)} to {_fixed(high / scale, exponent - last)}) × {_power(exponent)}"
        )
    decimals = max(0, -last)
    return f"{_fixed(low, decimals)} to {_fixed(high, decimals)}"


def with_interval(value: float | None, low_high: Sequence[float | None] | None, digits: int = 2) -> str:
    """An estimate and its interval with equal decimals, enough to tell the bounds apart: ``1.002 [0.987, 1.018]``."""
    if missing(value):
        return NONE
    if low_high is None or any(missing(bound) for bound in low_high):
        return fixed(value, digits)
    low, high = (float(bound) for bound in low_high)  # type: ignore[arg-type]
    width = abs(high - low)
    decimals = max(digits, 1 - math.floor(math.log10(width))) if width > 0 else digits
    return f"{fixed(value, decimals)} [{_fixed(low, decimals)}, {_fixed(high, decimals)}]"


def correlation_interval(r: float | None, low: float | None, high: float | None) -> str:
    """A correlation with its interval, two decimals: ``0.72 [0.60, 0.81]``."""
    if missing(r):
        return NONE
    bounds = "" if missing(low) or missing(high) else f" [{fixed(low)}, {fixed(high)}]"
    return fixed(r) + bounds


def p_number(p: float | None, reason: str = "") -> str:
    """A p value for a table cell: never rounded to 0, to 1, or across 0.05."""
    if missing(p):
        return no_value(reason)
    p = float(p)  # type: ignore[arg-type]
    if p < 0.001:
        return "< 0.001"
    if p > 0.99:
        return "> 0.99"
    if p >= 0.1:
        return f"{p:.2f}"
    text = f"{p:.3f}"
    decimals = 4
    while p < 0.05 <= float(text):
        text, decimals = f"{p:.{decimals}f}", decimals + 1
    return text


def p_value(p: float | None, reason: str = "") -> str:
    """A p value for running text: ``p < 0.001``, ``p = 0.012``."""
    text = p_number(p, reason)
    if missing(p):
        return f"p {text}"
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def share(value: float | None, reason: str = "") -> str:
    """A share of 1 such as R²: three decimals, four near 1, and never rounded up to 1 itself."""
    if missing(value):
        return no_value(reason)
    value = float(value)  # type: ignore[arg-type]
    if value <= 0.99 or value >= 1:
        return _fixed(value, 3)
    return f"{min(value, 0.9999):.4f}" if value < 0.9999 else "> 0.9999"


def percent(fraction: float | None, decimals: int = 1, signed: bool = False, reason: str = "") -> str:
    """A fraction in per cent with a thin space before the sign."""
    if missing(fraction):
        return no_value(reason)
    value = 100.0 * float(fraction)  # type: ignore[arg-type]
    plus = "+" if signed and round(value, decimals) > 0 else ""
    return f"{plus}{_fixed(value, decimals)}\N{NARROW NO-BREAK SPACE}%"


def count(number_of: int, noun: str, plural: str = "") -> str:
    """``1 vial``, ``2 vials``, ``3 analyses``."""
    return f"{number_of} {noun if number_of == 1 else plural or noun + 's'}"


def listed(items: Sequence[str], conjunction: str = "and", most: int = 12) -> str:
    """``a, b and c``; a long list is cut and says how many more there are."""
    words = [str(item) for item in items]
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"


def _needs_power(exponent: int) -> bool:
    return exponent < -3 or exponent > 5


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)
