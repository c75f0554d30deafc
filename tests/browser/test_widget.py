"""The script of the notebook in a page that plays the notebook: messages go to the answers of a kernel and back."""

from base64 import b64encode

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the extra ui is not installed")

from unmix4d import api
from unmix4d.explore.server import make_routes
from unmix4d.explore.widget import Answers, ExplorerWidget

NOTEBOOK = """async (script) => {
  const listeners = new Set();
  window.outbox = [];
  window.deliver = (content, buffers) => {
    const views = buffers.map((text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer));
    for (const listener of [...listeners]) listener(content, views);
  };
  const model = {
    on: (_kind, listener) => listeners.add(listener), off: (_kind, listener) => listeners.delete(listener),
    send: (content) => window.outbox.push(content),
  };
  const { default: widget } = await import(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const started = widget.render({ model, el: document.body });
  started.then((end) => { window.end = () => { end(); return listeners.size; }; });
}"""


@pytest.fixture(scope="module")
def notebook(browser, run, scan_file):
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_content(f"<style>{ExplorerWidget._css}</style>")
    sent = []
    routes = make_routes(run.result, run.settings, api.open_scan(scan_file))
    answers = Answers(routes, lambda content, buffers: sent.append((content, buffers)))
    page.answers = answers
    page.evaluate(NOTEBOOK, ExplorerWidget._esm)

    def until(condition):
        """Carry messages to and fro until something holds in the page."""
        for _ in range(400):
            for question in page.evaluate("window.outbox.splice(0)"):
                answers.take(question)
            while sent:
                content, buffers = sent.pop(0)
                texts = [b64encode(packed).decode() for packed in buffers]
                page.evaluate("([content, buffers]) => window.deliver(content, buffers)", [content, texts])
            if page.evaluate(condition):
                return
            page.wait_for_timeout(20)
        pytest.fail(f"never came true: {condition}")

    until("document.querySelector('[data-explorer]')?.dataset.ready === 'true'")
    yield page, until, complaints
    page.close()


def test_patterns_and_virtual_images_come_from_the_kernel(notebook, scan_file):
    page, until, complaints = notebook
    patterns = np.load(scan_file)
    page.evaluate("document.querySelector('[data-explorer]').explorer.update({ probe: { y: 4, x: 9 } })")
    until("document.querySelector('[data-explorer]').dataset.painted === '4,9'")
    seen = page.evaluate("[...document.querySelector('[data-explorer]').explorer.pictures.measured.values]")
    np.testing.assert_array_equal(np.reshape(seen, (32, 32)), patterns[4, 9])
    page.evaluate(
        "document.querySelector('[data-explorer]').explorer.setDetector({ cy: 16, cx: 16, inner: 2, outer: 9 })"
    )
    until("document.querySelector('[name=\"virtual-told\"]').textContent.startsWith('Exact')")
    y, x = np.ogrid[:32, :32]
    distance = np.hypot(y - 16, x - 16)
    expected = patterns[..., (distance >= 2) & (distance <= 9)].sum(axis=-1)
    image = page.evaluate("[...document.querySelector('[data-explorer]').explorer.virtualImage()]")
    np.testing.assert_allclose(np.reshape(image, expected.shape), expected, rtol=1e-6)
    assert complaints == []


def test_edits_reach_python_at_once_and_patterns_are_written_there(notebook, run):
    page, until, complaints = notebook
    name = page.get_by_label("name of crystal 0", exact=True)
    name.fill("Ferrite")
    name.press("Enter")
    until("!window.outbox.length")
    desk = page.answers.routes.desk
    assert [edit.name for edit in desk.edits.operations] == ["Ferrite"]
    assert run.edited(desk.edits).clusters.name(0) == "Ferrite"
    page.keyboard.press("Control+z")
    until("!window.outbox.length")
    assert page.evaluate("document.querySelector('[data-explorer]').explorer.history.done.length") == 0
    assert desk.edits.operations == ()
    assert page.get_by_role("button", name="Save into the run folder").count() == 0, "it was never saved"
    page.evaluate(
        """() => { const x = document.querySelector('[data-explorer]').explorer;
        x.run.transport.hspy({ what: 'measured', k: x.state.k, y: 4, x: 9 })
          .then((data) => { window.written = [...new Uint8Array(data).slice(1, 4)]; }); }"""
    )
    until("window.written")
    assert bytes(page.evaluate("window.written")) == b"HDF"
    assert complaints == []


def test_it_stops_listening_when_its_cell_is_cleared(notebook):
    page, _, _ = notebook
    assert page.evaluate("window.end()") == 0
