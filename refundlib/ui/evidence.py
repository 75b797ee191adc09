"""Files handed in: chosen in a form, shown beside a claim or a mail, one open at a time.

A picture is drawn when it is opened, others are saved; none is run.
"""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from refundlib.domain.errors import BadFile
from refundlib.services.claims import Claim
from refundlib.services.files import FILE_BYTES_MAX, JPEG, PNG, File, attachment, examined
from refundlib.ui import words
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

PICTURE_PIXELS: Final = 520
_OPENED: Final = "file"
_MEGABYTES: Final = FILE_BYTES_MAX // 1024 // 1024
_KINDS: Final = {
    "application/pdf": "PDF",
    JPEG: "JPEG",
    PNG: "PNG",
    "message/rfc822": "mail",
}


def uploaded(key: str) -> Callable[[], list[File]]:
    """A field for files. What it gives, called: the files; BadFile while one is there that is not taken.

    Each that is not taken is named at once: nobody shall think that it was handed in.
    """
    chosen = st.file_uploader(
        f"Evidence: PDF, JPEG or PNG, {_MEGABYTES} MB each",
        type=["pdf", "jpg", "jpeg", "png"],
        accept_multiple_files=True,
        max_upload_size=_MEGABYTES,
        key=key,
    )
    files, refused = [], []
    for upload in chosen or []:
        try:
            files.append(examined(upload.name, upload.getvalue()))
        except BadFile as refusal:
            refused.append(upload.name)
            st.error(words.plain(refusal), icon=":material/error:")

    def taken() -> list[File]:
        if refused:
            raise BadFile(f"Take out {', '.join(refused)} first: it cannot be taken.")
        return files

    return taken


def show(visit: Visit, it: Claim) -> None:
    """What was handed in with a claim: a list, and the one that is open."""
    if not it.attachments:
        quiet("Nothing was handed in with this report.")
        return
    opened = chosen() or it.attachments[0]["sha256"]
    left, right = st.columns([9, 11], gap="medium")
    with left:
        for row in it.attachments:
            entry(row, is_open=row["sha256"] == opened)
            when = words.moment(row["added_at"], visit.person)
            quiet(
                f"{kind_and_size(row)} · {when} by {words.plain(row['added_by_name'])}  \n"
                f"SHA-256 {row['sha256'][:16]}…"
            )
    with right, refusals():
        file = attachment(visit.desk, visit.person, it.report["report_id"], opened)
        open_file(file.name, file.media_type, lambda: file)


def chosen() -> str | None:
    """The SHA-256 of the file that is open, as the address names it; None for none."""
    return st.query_params.get(_OPENED)


def close() -> None:
    """No file is open."""
    st.query_params.pop(_OPENED, None)


def kind_and_size(row: dict[str, Any]) -> str:
    """PDF · 312 KB."""
    return f"{_KINDS[row['media_type']]} · {max(row['size_bytes'] / 1024, 1):,.0f} KB"


def entry(row: dict[str, Any], *, is_open: bool) -> None:
    """The button that opens a file: a row with name, media_type and sha256."""
    st.button(
        words.plain(row["name"]),
        key=f"file-{row['sha256']}",
        type="secondary" if is_open else "tertiary",
        icon=":material/image:" if row["media_type"] in (JPEG, PNG) else ":material/description:",
        on_click=_choose,
        args=(row["sha256"],),
    )


def _choose(sha256: str) -> None:
    st.query_params[_OPENED] = sha256


def open_file(name: str, media_type: str, read: Callable[[], File], *, width: int = PICTURE_PIXELS) -> None:
    """The open file, drawn if it is a picture, and the button that saves it. read: called when needed."""
    if media_type in (JPEG, PNG):
        st.image(read().content, caption=words.plain(name), width=width)
    st.download_button(
        "Save the file",
        lambda: read().content,
        name,
        # Never shown by the browser itself: saved, and opened by whoever asked for it.
        "application/octet-stream",
        on_click="ignore",
        icon=":material/download:",
    )
