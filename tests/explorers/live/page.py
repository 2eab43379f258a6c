"""A page that holds one figure and nothing else: what anywidget would do, without a kernel and without a server."""

import base64
import json
from pathlib import Path

from course_lib.explorers.live import LiveTraining

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{policy}<style>{css}</style></head>
<body><main id="place"></main><script type="module">
{module}
const text = atob("{data}"), bytes = Uint8Array.from(text, (c) => c.charCodeAt(0)), spec = {spec};
const model = {{ get: (name) => (name === "training" ? spec : new DataView(bytes.buffer)),
  set() {{}}, save_changes() {{}}, on() {{}}, off() {{}} }};
window.began = performance.now();
await render({{ model, el: document.querySelector("#place") }});
window.ready = performance.now() - window.began;
</script></body></html>"""
STRICT = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'wasm-unsafe-eval'\">"
)


def write_page(widget: LiveTraining, folder: Path, policy: str = STRICT) -> str:
    """Write the page; its address. Its policy allows no code made of text ('unsafe-eval')."""
    page = PAGE.format(
        policy=policy,
        css=widget._css,
        module=widget.module.replace("export default { render };", "").replace("export ", ""),
        data=base64.b64encode(widget.data).decode(),
        spec=json.dumps(widget.training).replace("</", "<\\/"),
    )
    (folder / "figure.html").write_text(page, encoding="utf-8")
    return (folder / "figure.html").as_uri()
