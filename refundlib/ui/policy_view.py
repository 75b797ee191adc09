"""The policy on the screen: versions side by side, the words a pro reads beside the rule; its drafts."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import streamlit as st

from refundlib.services import policy_drafts
from refundlib.ui import policy_draft_view, words
from refundlib.ui.dialogs import asked, stay
from refundlib.ui.paging import part
from refundlib.ui.policy_parts import clauses, name_of, numbers
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

_PARTS: Final = ("Versions", "Drafts")
_COLOURS: Final[Mapping[str, Literal["green", "blue", "gray", "red"]]] = {
    "in force": "green",
    "scheduled": "blue",
    "past": "gray",
    "revoked": "red",
}

Row = dict[str, Any]


def show(visit: Visit) -> None:
    """The policy page: ?view=Versions or Drafts, ?draft=ID opens one."""
    show_told()
    with refusals():
        versions = policy_drafts.published(visit.desk, visit.person)
        drafts = policy_drafts.drafts(visit.desk, visit.person)
        if part(_PARTS, "view") == "Versions":
            _versions(visit, versions, drafts)
        else:
            policy_draft_view.show(visit, versions, drafts)


def _versions(visit: Visit, versions: list[Row], drafts: list[Row]) -> None:
    named = {name_of(row): row for row in (*drafts, *versions)}

    def label(name: str) -> str:
        standing = named[name].get("standing")
        return f"{name} ({standing})" if standing else name

    with st.container(horizontal=True, vertical_alignment="bottom"):
        in_force = next(row["version"] for row in versions if row["standing"] == "in force")
        at = list(named).index(in_force)
        left = st.selectbox("Version", list(named), index=at, format_func=label, width=300)
        # First what comes next: a scheduled version, else a draft.
        others = sorted(named.keys() - {left}, key=lambda name: _turn(named, name))
        right = st.selectbox("Beside", others, index=0 if others else None, format_func=label, width=300)
    one, other = named[left], named.get(right or "")
    for row in (one, other):
        if row is not None:
            _about(visit, row)
    numbers(one, other)
    clauses(visit, one, other)


def _turn(named: Mapping[str, Row], name: str) -> tuple[bool, int]:
    return named[name].get("standing") != "scheduled", list(named).index(name)


def _about(visit: Visit, row: Row) -> None:
    """Whose it is, from when on, and why; a scheduled version can be revoked here."""
    name, note = words.plain(row["version"]), words.plain(row["note"])
    if "draft_id" in row:
        quiet(f"{name}: a draft by {words.plain(row['author_names'])}, from {row['based_on']}. {note}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(row["standing"], color=_COLOURS[row["standing"]])
        by = f"by {words.plain(row['author_names'])}, published by {words.plain(row['published_by_name'])}"
        quiet(f"{name}: {_period(visit, row)}, {by}. {note}")
        revocable = row["standing"] == "scheduled" and visit.may("publish_policy")
        if revocable and st.button("Revoke", key=f"revoke-{row['version']}", icon=":material/block:"):
            _revoke(visit, row["version"])


def _period(visit: Visit, row: Row) -> str:
    begins = row["effective_from"]
    when = f"{begins:%Y-%m-%d %H:%M} UTC"
    if row["standing"] == "revoked":
        who, why = words.plain(row["revoked_by_name"]), words.plain(row["revoked_because"])
        return f"was to begin {when}, revoked by {who} {words.moment(row['revoked_at'], visit.person)}: {why}"
    if row["standing"] == "scheduled":
        return f"comes into force {when}"
    return "in force from the beginning" if begins.year < 1900 else f"in force since {when}"


@st.dialog("Revoke the version", width="medium")
def _revoke(visit: Visit, version: str) -> None:
    """A scheduled version is given up for good."""
    st.markdown(
        f"**{words.plain(version)}** will never come into force; the version before it stays. It is kept, "
        "with who revoked it and why."
    )
    reason, is_posted = asked("Why?", "Revoke it")
    if is_posted:
        stay(
            lambda: policy_drafts.revoke(visit.desk, visit.person, version, reason),
            f"{words.plain(version)} is revoked.",
        )
