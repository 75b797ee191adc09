"""The policy on the screen: versions side by side, the words a pro reads beside the rule; its drafts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import streamlit as st

from refundlib.domain.people import Person, zone_of
from refundlib.services import backtest, policy_drafts
from refundlib.ui import policy_draft_view, words
from refundlib.ui.dialogs import asked, stay
from refundlib.ui.paging import part
from refundlib.ui.policy_parts import clauses, name_of, numbers, run_link
from refundlib.ui.shell import Visit, refusals, show_told
from refundlib.ui.text import quiet

_PARTS: Final = ("Versions", "Drafts")
RUNS_SHOWN: Final = 3
# What began before is in force from the beginning of time: nobody wrote it.
FIRST_YEAR: Final = 1900
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

    is_short = False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        in_force = next(row["version"] for row in versions if row["standing"] == "in force")
        at = list(named).index(in_force)
        left = st.selectbox("Version", list(named), index=at, format_func=label, width=300)
        right, others = None, [name for name in named if name != left]
        if others:
            first = _beside(versions, named[left])
            index = others.index(first) if first else None
            choose = "Choose one to compare"
            right = st.selectbox(
                "Beside", others, index=index, placeholder=choose, format_func=label, width=300
            )
            is_short = st.toggle("Only what differs", key="only_differing", bind="query-params")
        else:
            quiet("There is one version only, and no draft: nothing to lay beside it.")
    one, other = named[left], named.get(right or "")
    for row in (one, other):
        if row is not None:
            _about(visit, row)
    is_short = is_short and other is not None
    numbers(one, other, differing_only=is_short)
    clauses(visit, one, other, differing_only=is_short)


def _beside(versions: list[Row], one: Row) -> str | None:
    """What a version is compared with first: the one before it, else one after it; a draft: its beginning."""
    if "draft_id" in one:
        return str(one["based_on"])
    at = versions.index(one)
    others = [*versions[at + 1 :], *versions[:at][::-1]]
    # A revoked one comes last: it counted for nothing.
    names = [row["version"] for row in sorted(others, key=lambda row: row["revoked_at"] is not None)]
    return names[0] if names else None


def _about(visit: Visit, row: Row) -> None:
    """Whose it is, from when on, and why; a scheduled version can be revoked here."""
    name, note = words.plain(row["version"]), words.plain(row["note"])
    if "draft_id" in row:
        quiet(f"{name}: a draft by {words.plain(row['author_names'])}, from {row['based_on']}. {note}")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(row["standing"], color=_COLOURS[row["standing"]])
        told = f"{name}: {period(visit, row)}"
        if row["effective_from"].year >= FIRST_YEAR:
            author, publisher = words.plain(row["author_names"]), words.plain(row["published_by_name"])
            told += f", by {author}, published by {publisher}. {note}"
        quiet(told)
        revocable = row["standing"] == "scheduled" and visit.may("publish_policy")
        if revocable and st.button("Revoke", key=f"revoke-{row['version']}", icon=":material/block:"):
            _revoke(visit, row["version"])
    if visit.may("backtest"):
        runs = backtest.runs_of_version(visit.desk, visit.person, row["version"])
        for run in [each for each in runs if each["state"] == "done"][:RUNS_SHOWN]:
            run_link(run)


def period(visit: Visit, row: Row) -> str:
    """From when on a version is in force, or was to be."""
    if row["effective_from"].year < FIRST_YEAR:
        return "in force from the beginning"
    when = lasting(row["effective_from"], visit.person)
    if row["standing"] == "revoked":
        who, why = words.plain(row["revoked_by_name"]), words.plain(row["revoked_because"])
        return f"was to begin {when}, revoked by {who} {words.moment(row['revoked_at'], visit.person)}: {why}"
    if row["standing"] == "scheduled":
        return f"comes into force {when}"
    return f"in force since {when}"


def lasting(at: datetime, person: Person) -> str:
    """A day that lasts, in the reader's zone; beside it in UTC, in which versions begin at midnight."""
    local = at.astimezone(zone_of(person))
    exact = f"{at:%Y-%m-%d %H:%M} UTC"
    return exact if not local.utcoffset() else f"{local:%Y-%m-%d %H:%M} ({exact})"


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
