"""The web page in a process of its own, and Chromium before it, for tests and for the READMEs' screenshots.

python -m tests.app_server image/app.png en-US
python -m tests.app_server image/app_cn.png zh-CN      # Debian: apt-get install fonts-noto-cjk
"""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from utils.system.files import atomic_path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = {mark: ROOT / "image" / f"sample_{mark}.jpg" for mark in ("src", "bgr")}
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 90  # seconds, on a machine that does other things too


@contextmanager
def serving(folder, *options):
    """Run tools/app.py with `folder` for its temporary files; gives its address and the process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tools.app", "--port", str(port), *options]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with open(Path(folder) / "page.log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                said = (Path(folder) / "page.log").read_text()
                assert process.poll() is None and time.monotonic() < until, said
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def browsing(folder, language="en-US", size=(1320, 1088)):
    """Headless Chromium with a fresh profile below a folder; what it downloads goes to FOLDER/downloads."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    downloads = Path(folder) / "downloads"
    downloads.mkdir(exist_ok=True)
    for argument in (*QUIET, f"--lang={language}", f"--user-data-dir={Path(folder) / 'profile'}"):
        options.add_argument(argument)
    options.add_experimental_option(
        "prefs", {"intl.accept_languages": language, "download.default_directory": str(downloads)}
    )
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.set_window_size(*size)
        yield driver
    finally:
        driver.quit()


def wait(driver, condition):
    """The first true value of condition(driver)."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, PATIENCE, 0.1).until(condition)


def give(driver, field, path):
    """Choose a file in a field of the page, named by its id, and wait until it is uploaded."""
    wait(driver, lambda d: d.find_elements("css selector", f"#{field} input[type=file]"))[0].send_keys(str(path))
    wait(driver, lambda d: d.find_elements("css selector", f"#{field} img, #{field} video"))


def replace(driver, field, path):
    """Take the file of a field out and give another one."""
    driver.execute_script("arguments[0].scrollIntoView()", driver.find_element("id", field))
    wait(driver, lambda d: d.find_elements("css selector", f"#{field} button[aria-label]"))[0].click()
    give(driver, field, path)


def narrow(driver, width=390, height=844):
    """Make the page as wide as a phone's, which a window cannot be."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def matte_sample(driver, address):
    """Open the page, upload the sample pair and wait for its matte; returns what the page says."""
    driver.get(address)
    for mark, path in SAMPLE.items():
        give(driver, mark, path)
    driver.find_element("id", "run").click()
    return wait(driver, lambda d: d.find_element("id", "notes").text.strip())


def requested(driver):
    """Addresses that the pages of this browser asked for, its own pages aside."""
    entries = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    sent = (e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent")
    return [url for url in sent if not url.startswith(("chrome:", "data:", "blob:"))]


def main(target, language):
    """Write a screenshot of the page with the sample pair as a PNG of 256 colours, less than 400 KB."""
    with tempfile.TemporaryDirectory() as folder, serving(folder) as (address, _):
        with browsing(folder, language) as driver:
            said = matte_sample(driver, address)
            driver.find_element("id", "run").click()  # the first time contains what is done once
            wait(driver, lambda d: d.find_element("id", "notes").text.strip() not in ("", said))
            time.sleep(3)  # pictures fade in
            picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    with atomic_path(target) as temporary:
        picture.quantize(256, Image.Quantize.MEDIANCUT).save(temporary, optimize=True)
    print(f"{target}: {Path(target).stat().st_size // 1000} KB")


if __name__ == "__main__":
    main(*sys.argv[1:])
