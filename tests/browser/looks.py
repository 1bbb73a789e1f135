"""How a page looks: whether it fits, and can be read."""

from selenium import webdriver

WIDTHS = (380, 1200)
SCHEMES = ("light", "dark")
_TEXTS = "h1, h2, p, td, th, li, dt, dd, small, a"


def look_at(browser: webdriver.Chrome, width: int, scheme: str) -> None:
    """Look at what comes on a screen of this width, by day (light) or by night (dark)."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


def assert_fits(browser: webdriver.Chrome, width: int) -> None:
    """Nothing scrolls sideways, sticks out or is too faint, and the console is quiet."""
    # In one go, since a page may load itself anew meanwhile.
    scrolled, texts = browser.execute_script(_MEASURE, _TEXTS)
    assert scrolled <= width
    assert texts
    for text, left, right, *colours in texts:
        assert left >= 0, text
        assert right <= width, text
        assert contrast(*colours) >= 4.5, text
    said: list[object] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert said == []
    assert browser.get_screenshot_as_png().startswith(b"\x89PNG")


_MEASURE = """
const behind = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return colour !== "rgba(0, 0, 0, 0)" || !element.parentElement
    ? colour : behind(element.parentElement);
};
const shown = [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility());
return [document.documentElement.scrollWidth, shown.map((element) => {
  const box = element.getBoundingClientRect();
  return [element.textContent, box.left, box.right, getComputedStyle(element).color,
    behind(element)];
})];
"""


def contrast(text: str, behind: str) -> float:
    """WCAG 2's contrast of a text with what is behind it."""
    lighter, darker = sorted(map(_luminance, (text, behind)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(part) / 255 for part in colour.strip("rgb()").split(","))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
