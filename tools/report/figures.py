# SPDX-License-Identifier: Apache-2.0
"""Figures as text: times, rates, sizes. A missing or zero figure is a dash; nothing here divides by zero."""

import math

DASH = "\N{EN DASH}"


def is_figure(value):
    """Whether the value is a finite number above zero."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def ratio(numerator, denominator):
    """Their quotient, or None where one of them is no figure."""
    return numerator / denominator if is_figure(numerator) and is_figure(denominator) else None


def _scaled(value, units):
    for scale, unit in units:
        if value >= scale:
            return f"{value / scale:.3g} {unit}" if value / scale < 1000 else f"{value / scale:.0f} {unit}"
    scale, unit = units[-1]
    return f"{value / scale:.3g} {unit}"


def time_text(seconds):
    """0.0123 -> "12.3 ms"."""
    return _scaled(seconds, ((1, "s"), (1e-3, "ms"), (1e-6, "µs"))) if is_figure(seconds) else DASH


def rate_text(bytes_per_s):
    """125e6 -> "1 Gbit/s": network rates are said in bits."""
    if not is_figure(bytes_per_s):
        return DASH
    return _scaled(bytes_per_s * 8, ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1, "bit/s")))


def bytes_text(size):
    """4096 -> "4 KiB"."""
    if size == 0:
        return "0 B"
    return _scaled(size, ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))) if is_figure(size) else DASH


def percent_text(share):
    """0.923 -> "92 %"."""
    return f"{share * 100:.0f} %" if is_figure(share) else DASH


def times_text(factor):
    """1.4142 -> "1.41x"."""
    return f"{factor:.2f}x" if is_figure(factor) else DASH
