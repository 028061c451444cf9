"""Sentences and their style, for every panel; everything is escaped, and colours are those of the page."""

import html

STYLE = """<style>
.nagkit, .nagkit * { color: var(--jp-ui-font-color1, inherit); font-size: 13px; line-height: 1.45; }
.nagkit table { border-collapse: collapse; width: 100%; }
.nagkit caption { text-align: left; font-weight: bold; padding: 2px 0 6px; }
.nagkit th, .nagkit td { padding: 2px 14px 2px 0; text-align: right; border-bottom: 1px solid rgba(128,128,128,.35);
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.nagkit th:last-child, .nagkit td:last-child { text-align: left; width: 100%; }
.nagkit th:first-child { min-width: 0; }
.nagkit code, .nagkit pre { font-family: var(--jp-code-font-family, monospace); font-size: 12px; }
.nagkit td code { font-size: 11px; }
.nagkit pre { margin: 0; padding: 8px; max-height: 240px; overflow: auto; border: 1px solid rgba(128,128,128,.35);
  border-radius: 4px; white-space: pre; }
.nagkit .said { min-height: 1.5em; }
.nagkit .refused { border-left: 4px solid #D55E00; padding: 2px 8px; white-space: pre-wrap; }
.nagkit th { white-space: normal; min-width: 105px; vertical-align: bottom; line-height: 1.2; }
.nagkit .scroll { overflow-x: auto; }
.nagkit-panel :focus-visible { outline: 2px solid var(--jp-ui-font-color1, currentColor); outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) { .nagkit-panel * { transition: none !important; animation: none !important; } }
</style>"""


def message(text: str, refused: bool = False, announced: bool = True) -> str:
    """A sentence that screen readers announce, unless it changes all the time; a refusal interrupts."""
    kind = "class='refused' role='alert'" if refused else f"class='said{' announced' if announced else ''}'"
    return f"<div class='nagkit'><div {kind}>{html.escape(text)}</div></div>"


def sentence(text: str) -> str:
    """What a picture shows, in words."""
    return f"<div class='nagkit'>{html.escape(text)}</div>"
