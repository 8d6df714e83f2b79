"""A real browser without a window, in which reports are looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from attrs import define
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--window-size=1280,900",
)
DEADLINE_S = 60

Theme = Literal["light", "dark"]


@define
class Browser:
    """One browser and the page that it shows."""

    driver: Chrome

    def open(self, page: Path, *, scripts: bool = True) -> None:
        """Load a file afresh; what earlier pages had to say is forgotten."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.log(kind)
        self.driver.get(page.as_uri())

    def prefer(self, theme: Theme) -> None:
        """Be somebody who likes it dark, or light."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def narrow(self, width: int) -> None:
        """Have a window of this width, in pixels."""
        self.driver.set_window_size(width, 900)

    def element(self, css: str) -> WebElement:
        """Return the first element of a kind."""
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def column(self, number: int, table: str = "#scores table") -> list[str]:
        """Return the texts of a column of a table (the first is 1) in the rows that can be seen."""
        cells = f"{table} tbody tr:not([hidden]) > :nth-child({number})"
        found: list[str] = self.run("return [...document.querySelectorAll(arguments[0])].map(c => c.innerText)", cells)
        return found

    def until(self, reached: Any) -> None:
        """Wait until something holds."""
        WebDriverWait(self.driver, DEADLINE_S, poll_frequency=0.05).until(lambda _: reached())

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Return what a log of the browser has gained since it was last asked for."""
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def complaints(self) -> list[str]:
        """Return what the console of the page shows."""
        return [entry["message"] for entry in self.log("browser")]

    def requests(self) -> list[str]:
        """Return the URLs that were asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def barriers(self) -> list[str]:
        """Return what axe-core finds serious or critical about the page, with the elements concerned."""
        self.run(AXE)
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document).then(done, error => done({error: String(error)}))"
        )
        assert "error" not in found, found["error"]
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]


@contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """Start a browser with a new profile; it ends with the block."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(DEADLINE_S)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
