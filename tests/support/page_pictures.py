"""Takes the pictures of `docs/screenshots`: `PYTHONPATH=tests python -m support.page_pictures`."""

from __future__ import annotations

from pathlib import Path

from support.page_data import filled_service
from support.page_server import browser, serving
from support.small_png import smaller

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"


def take(folder: Path = FOLDER) -> None:
    """Writes the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with filled_service() as (running, names), serving(running.app) as url, browser() as chromium:
        pictures = (
            ("groups-light", "/", "light"),
            ("groups-dark", "/", "dark"),
            ("group", f"/groups/{names['timeout']}", "light"),
            ("models", "/models", "light"),
            ("status", "/status", "dark"),
        )
        for name, path, scheme in pictures:
            context = chromium.new_context(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": 1280, "height": 860},
            )
            page = context.new_page()
            page.goto(url + path)
            picture = smaller(page.screenshot(full_page=True))
            (folder / f"{name}.png").write_bytes(picture)
            context.close()


if __name__ == "__main__":
    take()
