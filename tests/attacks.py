"""Strings that would do more than show in a page, a formula or a terminal."""

ATTACKS = (
    "<img src=x onerror=alert(1)>",
    "</script><script>",
    "$\\alpha$",
    "a\u202eb",
    "\x1b[31m",
    "<a href='javascript:x'>",
)
