# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a page, in a real browser: what a person sees, by mouse and by keyboard, with no network."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet import fleet_report
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.formats import written
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import Report
from tests.support.fleet import HOSTILE, TODAY, YESTERDAY, fleet, judged, judgement, large_fleet

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,960",
)
# Where somebody wants a picture of the page: a file name.
PICTURE = os.environ.get("EDGESEC_REPORT_PICTURE")


class Page:
    """A page in the browser."""

    def __init__(self, browser: webdriver.Chrome, directory: Path) -> None:
        self.browser = browser
        self._path = directory / "report.html"

    def open(self, report: Report) -> None:
        self._path.write_bytes(written(report, "html", "", ""))
        self.requests()  # those of before
        self.browser.get(self._path.as_uri())

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return found

    def hosts(self) -> list[str]:
        names: list[str] = self.browser.execute_script(
            "return [...document.querySelectorAll('#map tbody th')].map((each) => each.textContent)"
        )
        return names

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def focused(self) -> WebElement:
        return self.browser.switch_to.active_element

    def details(self) -> dict[str, str]:
        pairs = zip(self.all("#details dt"), self.all("#details dd"), strict=True)
        return {name.text: value.text for name, value in pairs}

    def requests(self) -> list[str]:
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are not installed (Debian packages chromium and chromium-driver)")
    directory = tmp_path_factory.mktemp("page")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={directory / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield Page(browser, directory)
    finally:
        browser.quit()


@pytest.fixture
def small(page: Page) -> Page:
    page.open(fleet())
    return page


def test_the_fleet_is_a_table_with_a_cell_for_each_verdict(small: Page) -> None:
    report = fleet()
    assert len(small.hosts()) == len(report.hosts)
    assert small.hosts()[:3] == ["gw-001 (L2)", "gw-002 (L1)", "gw-003"]
    assert small.one("#map thead th").text == "Host"
    assert len(small.all("#map thead th")) == len(report.controls) + 1
    cells = small.all("#map tbody tr:nth-child(2) td")
    assert [cell.text[0] for cell in cells[:5]] == ["\u2713", "\u2717", "?", "\u2013", "w"]
    assert cells[1].get_attribute("aria-label") == f"{report.controls[1].id}: fail, was pass"
    assert "Connection refused" in small.one("#map tbody tr:nth-child(3)").text
    assert "unreachable" in small.one("#not-judged").text
    assert "gw-000" in small.one("#changes").text
    assert f"{len(report.hosts)} of {len(report.hosts)} hosts" in small.one("#shown").text


def test_no_text_of_a_device_becomes_markup_and_nothing_is_fetched(small: Page) -> None:
    assert small.browser.title.startswith("Compliance of")
    assert small.all("img") == []
    assert len(small.all("script")) == 2
    assert any(HOSTILE[0] in name for name in small.hosts())
    requests = small.requests()
    assert len(requests) == 1
    assert requests[0].startswith("file:")
    problems = [entry for entry in small.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert problems == []


def test_details_are_opened_and_left_by_keyboard(small: Page) -> None:
    report = fleet()
    small.browser.execute_script("document.querySelector('#map [tabindex=\"0\"]').focus()")
    small.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    cell = small.focused()
    assert cell.get_attribute("aria-label") == f"{report.controls[1].id}: fail, was pass"
    small.press(Keys.ENTER)
    dialog = small.one("#details")
    assert dialog.is_displayed()
    assert small.one("#details-heading").text == f"gw-002: {report.controls[1].id}"
    shown = small.details()
    assert shown["Verdict"] == "fail"
    assert shown["Before"] == "pass"
    assert shown["Seen"] == "as seen"
    assert shown["Remedy"] == report.hosts[1].verdicts[report.controls[1].id].remedy
    assert "SP" not in shown["Recommendation of the IoT Lens"]
    small.press(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert small.focused() == cell
    # Only one place of the table is a stop for the tabulator key.
    assert len(small.all('#map [tabindex="0"]')) == 1


def test_a_click_shows_the_host_and_the_control(small: Page) -> None:
    small.one("#map tbody tr:nth-child(3) th").click()
    assert small.details()["Reason"] == "Connection refused"
    small.one("#close").click()
    small.all("#map thead th")[1].click()
    assert small.one("#details-heading").text == fleet().controls[0].id
    small.one("#close").click()


def test_filters_leave_what_is_asked_for(small: Page) -> None:
    show = Select(small.one("#filter-hosts"))
    show.select_by_value("not-judged")
    assert small.hosts() == ["gw-003", "gw-004", "gw-005"]
    show.select_by_value("changed")
    assert small.hosts() == ["gw-001 (L2)", "gw-002 (L1)"]
    show.select_by_value("fail")
    assert "gw-001 (L2)" not in small.hosts()
    show.select_by_value("all")
    small.one("#filter-host").send_keys("W-00")
    assert len(small.hosts()) == 5
    Select(small.one("#filter-priority")).select_by_value("Required")
    required = [control.id for control in fleet().controls if control.priority == "Required"]
    assert [each.get_attribute("textContent") for each in small.all("#map thead th")[1:]] == required
    assert f"5 of {len(fleet().hosts)} hosts and {len(required)} of" in small.one("#shown").text


def test_it_can_be_read_in_the_dark_and_on_paper(small: Page) -> None:
    def background() -> str:
        found: str = small.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        return found

    light = background()
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    small.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert background() != light
    small.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", **media})
    assert background() == light
    assert not small.one("#filters").is_displayed()
    small.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_a_thousand_hosts_stay_usable(page: Page) -> None:
    report = large_fleet(1000)
    begun = time.process_time()
    data = written(report, "html", "", "")
    assert time.process_time() - begun < 10
    assert len(data) < 15 << 20
    page.open(report)
    assert len(page.hosts()) == 100
    assert len(page.all("#map td")) == 100 * len(report.controls)
    page.one("#filter-host").send_keys("gw-0999")
    assert page.hosts() == ["gw-0999 (L1)"]
    page.one("#filter-host").clear()
    page.one("#filter-host").send_keys("gw-0")
    page.one("#next").click()
    assert page.hosts()[0] == "gw-0100 (L1)"
    page.browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(page.hosts()) == 1000
    page.browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(page.hosts()) == 100


def test_a_fleet_without_hosts_is_a_page_as_well(page: Page) -> None:
    page.open(Report("2026-11-25T06:00:00+00:00", "1.0.0", (), ()))
    assert page.one("h1").text == "Compliance of 0 hosts"
    assert [entry for entry in page.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.skipif(PICTURE is None, reason="EDGESEC_REPORT_PICTURE names no file")
def test_a_picture_is_taken(page: Page) -> None:
    """That of docs/reports.md: EDGESEC_REPORT_PICTURE=$PWD/docs/images/report.png pytest -k picture FILE."""
    assert PICTURE is not None
    often = ("pass", "pass", "fail", "pass", "pass", "not_applicable", "pass", "pass", "unknown", "pass", "waived")
    hosts: dict[str, Any] = {
        f"gw-{number:03}": judged(judgement(often[number:] + ("pass",) * number)) for number in range(1, 11)
    }
    hosts["gw-011"] = {"compliance_result": {"unreachable": True, "msg": "Connection timed out"}}
    before = dict(hosts, **{"gw-004": judged(judgement(("pass", "fail")))})
    page.open(fleet_report(hosts, TODAY, fleet_report(before, YESTERDAY)))
    page.browser.execute_script("document.getElementById('map-heading').scrollIntoView()")
    assert page.browser.save_screenshot(PICTURE)
