"""The pattern of a specimen's bar code and QR code: looks like one, is none. The same order gives the same pattern."""

import hashlib

MODULES = 21  # a side, as in the smallest QR code
FINDER = 7  # a side of the square in three corners


def bars_of(order_id: str) -> list[tuple[int, int]]:
    """(place, width) of each bar, over a width of some 300."""
    bars, place = [], 0
    for byte in hashlib.sha256(order_id.encode()).digest():
        width, gap = 1 + byte % 4, 2 + byte // 64
        bars.append((place, width * 2))
        place += width * 2 + gap
    return bars


def squares_of(order_id: str) -> list[tuple[int, int]]:
    """(column, row) of each dark module. No scanner reads it: format and error correction are missing."""
    noise = hashlib.sha512(order_id.encode()).digest() * 2
    dark = []
    for column in range(MODULES):
        for row in range(MODULES):
            number = column * MODULES + row
            is_dark = _finder(column, row) if _in_corner(column, row) else bool(noise[number // 8] >> number % 8 & 1)
            if is_dark:
                dark.append((column, row))
    return dark


def _in_corner(column: int, row: int) -> bool:
    low, high = FINDER, MODULES - FINDER - 1
    return (column <= low and row <= low) or (column >= high and row <= low) or (column <= low and row >= high)


def _finder(column: int, row: int) -> bool:
    x = column if column <= FINDER else MODULES - 1 - column
    y = row if row <= FINDER else MODULES - 1 - row
    ring = max(abs(x - 3), abs(y - 3))
    return ring in (0, 1, 3)
