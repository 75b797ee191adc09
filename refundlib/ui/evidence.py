"""Files handed in: chosen in a form, shown beside a claim. Pictures are drawn, others saved; none is run."""

from typing import Any, Final

import streamlit as st

from refundlib.domain.errors import BadFile
from refundlib.services.claims import Claim
from refundlib.services.files import FILE_BYTES_MAX, JPEG, PNG, File, attachment, examined
from refundlib.ui import words
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

PICTURE_PIXELS: Final = 520
_MEGABYTES: Final = FILE_BYTES_MAX // 1024 // 1024
_KINDS: Final = {
    "application/pdf": "PDF",
    JPEG: "JPEG",
    PNG: "PNG",
    "message/rfc822": "mail",
}


def uploaded(key: str) -> list[File]:
    """The files somebody chose that can be taken; each that cannot is named with the reason."""
    chosen = st.file_uploader(
        f"Evidence: PDF, JPEG or PNG, {_MEGABYTES} MB each",
        type=["pdf", "jpg", "jpeg", "png"],
        accept_multiple_files=True,
        max_upload_size=_MEGABYTES,
        key=key,
    )
    files = []
    for upload in chosen or []:
        try:
            files.append(examined(upload.name, upload.getvalue()))
        except BadFile as refusal:
            st.error(words.plain(refusal), icon=":material/error:")
    return files


def show(visit: Visit, it: Claim) -> None:
    """What was handed in with a claim: a list, and the one that is open."""
    if not it.attachments:
        quiet("Nothing was handed in with this report.")
        return
    opened = st.query_params.get("file", it.attachments[0]["sha256"])
    left, right = st.columns([9, 11], gap="medium")
    with left:
        for row in it.attachments:
            _entry(visit, row, is_open=row["sha256"] == opened)
    with right, refusals():
        _open(attachment(visit.desk, visit.person, it.report["report_id"], opened))


def _entry(visit: Visit, row: dict[str, Any], *, is_open: bool) -> None:
    size = f"{row['size_bytes'] / 1024:,.0f} KB"
    when = words.moment(row["added_at"], visit.person)
    st.button(
        words.plain(row["name"]),
        key=f"file-{row['sha256']}",
        type="secondary" if is_open else "tertiary",
        icon=":material/image:" if row["media_type"] in (JPEG, PNG) else ":material/description:",
        on_click=_choose,
        args=(row["sha256"],),
    )
    quiet(
        f"{_KINDS[row['media_type']]} · {size} · {when} by {words.plain(row['added_by_name'])}  \n"
        f"SHA-256 {row['sha256'][:16]}…"
    )


def _choose(sha256: str) -> None:
    st.query_params["file"] = sha256


def _open(file: File) -> None:
    if file.media_type in (JPEG, PNG):
        st.image(file.content, caption=words.plain(file.name), width=PICTURE_PIXELS)
    st.download_button(
        "Save the file",
        file.content,
        file.name,
        # Never shown by the browser itself: saved, and opened by whoever asked for it.
        "application/octet-stream",
        on_click="ignore",
        icon=":material/download:",
    )
