"""What a person does on the import page, step by step."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

# A rehearsal and an apply of a small file take a second or two; the machine may be busy.
PATIENCE_MS = 60_000


def choose(page: Page, kind: str, file: Path) -> None:
    page.get_by_role("link", name=re.compile("New import|Import a file")).first.click()
    page.get_by_role("radio", name=re.compile(f"^{kind}", re.IGNORECASE)).check()
    page.set_input_files("input[type=file]", file)
    expect(page.get_by_text(file.name)).to_be_visible()
    page.get_by_role("button", name="Read the file").click()
    expect(page.get_by_role("heading", name="What each column is")).to_be_visible(timeout=PATIENCE_MS)


def rehearse(page: Page) -> None:
    page.get_by_role("button", name="Rehearse the import").click()
    expect(page.get_by_role("heading", name=re.compile("What would become of"))).to_be_visible(
        timeout=PATIENCE_MS
    )


def apply(page: Page, label: str, said: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()
    expect(page.get_by_role("heading", name=said)).to_be_visible(timeout=PATIENCE_MS)


def bring_in(page: Page, kind: str, file: Path, label: str, said: str) -> None:
    open_imports(page)
    choose(page, kind, file)
    rehearse(page)
    apply(page, label, said)


def open_imports(page: Page) -> None:
    page.goto(re.sub("/admin/.*", "/admin/crm/importbatch/", page.url))
