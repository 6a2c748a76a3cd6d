"""Drive's own pages, as far as the demo needs them: look at folders, put a new version in, rename, trash, restore."""

import json
from html import escape
from urllib.parse import quote

from tests.fakes.drive.exchange import Reply, Request
from tests.fakes.drive.model import Item
from tests.fakes.drive.person import Person

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: .4rem; border-bottom: 1px solid #ddd }}
.gone {{ color: #777; text-decoration: line-through }}
</style></head><body><p><a href="/">Shared drives</a>{path}</p><h1>{title}</h1>{body}<script>
function order(what, said) {{
  return fetch("/_fake/person/" + what, {{method: "POST", body: JSON.stringify(said)}}).then(() => location.reload());
}}
function send(method, address, file) {{
  if (file) fetch(address, {{method: method, body: file}}).then(() => location.reload());
}}
</script></body></html>"""
_CHOOSE = (
    '<p><label>{label} <input type="file" onchange="send({method}, {address}, this.files[0])"></label></p>'
)


def answer(person: Person, request: Request) -> Reply | None:
    """Answer what is asked for by a browser; None where it is none of these pages."""
    with person.store.lock:
        return _answer(person, request)


def _answer(person: Person, request: Request) -> Reply | None:
    if request.path == "/" and request.method == "GET":
        return _page("Shared drives", "", _list(person, [person.file(one) for one in person.store.drives]))
    _, kind, file_id = [*request.path.split("/", 2), "", ""][:3]
    if kind not in {"folders", "file"} or file_id not in person.store.items:
        return None
    item = person.file(file_id)
    if request.method == "GET":
        return _shown(person, request, item)
    if request.method == "POST" and item.is_folder:
        mime = request.headers.get("content-type") or "application/octet-stream"
        person.upload(item.id, request.params.get("name", "Untitled"), request.body(), mime)
    elif request.method == "PUT" and item.blob is not None:
        person.edit(item.id, request.body())
    return Reply(204)


def _shown(person: Person, request: Request, item: Item) -> Reply:
    if "download" in request.params and item.blob is not None:
        name = f"attachment; filename*=UTF-8''{quote(item.name, safe='')}"
        headers = {
            "Content-Type": item.mime,
            "Content-Disposition": name,
            "X-Content-Type-Options": "nosniff",
        }
        return Reply(200, headers=headers, blob=item.blob, start=0, stop=item.blob.size)
    above = [f' / <a href="/folders/{one.id}">{_name(person, one)}</a>' for one in person.store.above(item)]
    path = "".join(reversed(above))
    if item.is_folder:
        children = [person.file(one) for one in person.store.children.get(item.id, ())]
        address = f"'/folders/{item.id}?name=' + encodeURIComponent(this.files[0].name)"
        return _page(_name(person, item), path, _list(person, children) + _choose("Upload", "POST", address))
    return _page(_name(person, item), path, _file(item))


def _file(item: Item) -> str:
    rows = "".join(
        f"<tr><td>{one.modified:%Y-%m-%d %H:%M:%S}</td><td>{escape(one.by)}</td>"
        f"<td>{one.blob.size if one.blob else ''}</td></tr>"
        for one in reversed(item.revisions)
    )
    what = "<tr><th>Time</th><th>Who</th><th>Bytes</th></tr>"
    download = f'<p><a href="/file/{item.id}?download">Download</a></p>' if item.blob else ""
    choose = _choose("New version", "PUT", f"'/file/{item.id}'") if item.blob else ""
    return f"{download}{choose}<table>{what}{rows}</table>"


def _list(person: Person, items: list[Item]) -> str:
    rows = "".join(_row(person, item) for item in sorted(items, key=lambda item: item.name.lower()))
    return f"<table>{rows}</table>" if rows else "<p>There is nothing here.</p>"


def _row(person: Person, item: Item) -> str:
    is_gone = person.store.is_trashed(item)
    kind = "folders" if item.is_folder else "file"
    link = f'<a class="{"gone" if is_gone else ""}" href="/{kind}/{item.id}">{_name(person, item)}</a>'
    if item.parent is None:
        return f"<tr><td>{link}</td></tr>"
    name = escape(json.dumps(item.name))
    rename = f"order('rename', {{file_id: '{item.id}', name: prompt('Name', {name}) || {name}}})"
    trash = "restore" if is_gone else "trash"
    return (
        f'<tr><td>{link}</td><td><button onclick="{rename}">Rename</button> '
        f"<button onclick=\"order('{trash}', {{file_id: '{item.id}'}})\">{trash.title()}</button></td></tr>"
    )


def _name(person: Person, item: Item) -> str:
    drive = person.store.drives.get(item.id)
    return escape(drive.name if drive else item.name)


def _choose(label: str, method: str, address: str) -> str:
    return _CHOOSE.format(label=label, method=f"'{method}'", address=escape(address))


def _page(title: str, path: str, body: str) -> Reply:
    text = _PAGE.format(title=title, path=path, body=body)
    return Reply(200, headers={"Content-Type": "text/html; charset=UTF-8"}, data=text.encode())
