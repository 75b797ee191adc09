"""The form of a policy's draft: what is typed stays until it is saved, also when another saves first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import streamlit as st

from refundlib.domain.errors import BadAmount, BadFigure, Refusal
from refundlib.domain.golden import Golden
from refundlib.domain.money import decimal_text, format_money
from refundlib.domain.policy import CLAUSES, FIGURES, LABELS, SPEND_ORDERS, figure_in_words
from refundlib.domain.policy_changes import changes
from refundlib.services import policy_drafts
from refundlib.services.policy_drafts import (
    CLAUSE_CHARACTERS_MAX,
    VERSION_CHARACTERS_MAX,
    Draft,
    DraftChanged,
    free_name,
    newest,
)
from refundlib.ui import words
from refundlib.ui.dialogs import AMOUNT_CHARACTERS_MAX, minor_units
from refundlib.ui.policy_parts import LIMIT_CURRENCY, failing_cases, told
from refundlib.ui.shell import Visit, tell
from refundlib.ui.text import quiet

_NEW: Final = "policy-new"
# The buttons, and beside them what came of pressing one: in sight wherever they are.
_BESIDE: Final = (1, 3)
_LIMIT: Final = "approval_limit_minor"
_TYPED: Final = ("window_days", "sla_hours", "card_refund_days", "job_changed_miles")
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)

Row = dict[str, Any]


@dataclass
class _Begun:
    """A form on the screen. start: what its fields began as; seen: the newest revision that it told of.

    refused: why the last save was not, to be said once.
    """

    start: Row
    seen: int
    refused: str = ""


def new(visit: Visit, versions: Sequence[Row], drafts: Sequence[Row]) -> None:
    """The form of a draft that is not kept yet: it begins as the newest version."""
    start = newest(versions)
    quiet(f"It begins from {words.plain(start['version'])}, the newest version ({start['standing']}).")
    taken = {row["version"] for row in (*versions, *drafts)}
    name = free_name(taken, visit.desk.clock().astimezone(UTC).date())
    begun = _begun(_NEW, {**start, "version": name, "note": "", "begun_from": start["version"]})
    with st.form(_NEW):
        _fields(_NEW, begun)
        buttons, answer = st.columns(_BESIDE)
        with buttons.container(horizontal=True):
            st.form_submit_button("Save the draft", type="primary", on_click=_save, args=(visit, _NEW))
            st.form_submit_button("Cancel", on_click=_cancel)
        with answer:
            _refused(begun)


def change(visit: Visit, draft: Row, failing: Sequence[Golden]) -> None:
    """The form of a draft; beside its button, whether it can be published as it was saved."""
    name = _name(draft["draft_id"])
    begun = _begun(name, draft)
    with st.form(name):
        _fields(name, begun)
        buttons, answer = st.columns(_BESIDE)
        is_behind = draft["revision"] != begun.start["revision"]
        with buttons.container(horizontal=True):
            st.form_submit_button("Save the draft", type="primary", on_click=_save, args=(visit, name))
            if is_behind:
                st.form_submit_button("Take what is saved", on_click=begin_anew, args=(draft["draft_id"],))
        with answer:
            is_refused = _refused(begun)
            if is_behind:
                _changed_meanwhile(visit, begun.start, draft)
            elif not is_refused:
                _outcome(failing)
    begun.seen = draft["revision"]


def begin_anew(draft_id: int) -> None:
    """Lets a draft's form begin as the draft is now; what was typed is given up."""
    st.session_state.pop(_place(_name(draft_id)), None)


def _name(draft_id: int) -> str:
    return f"policy-{draft_id}"


def _place(name: str) -> str:
    """Where a form's state is kept; a form's own name is not to be written to."""
    return f"begun-{name}"


def _begun(name: str, row: Row) -> _Begun:
    """The form as it stands on the screen; it begins now when its fields were not there just before."""
    begun: _Begun | None = st.session_state.get(_place(name))
    if begun is None or _key(name, begun, "version") not in st.session_state:
        begun = st.session_state[_place(name)] = _Begun(row, row.get("revision", 0))
    return begun


def _key(name: str, begun: _Begun, field: str) -> str:
    """Of a field; another state to begin from is another field, so that it takes its value from there."""
    return f"{name}-{begun.start.get('revision') or begun.start['begun_from']}-{field}"


def _cancel() -> None:
    st.query_params.pop("draft", None)
    st.session_state.pop(_place(_NEW), None)


# -- what is said beside the button -----------------------------------------------------------------------


def _refused(begun: _Begun) -> bool:
    refused, begun.refused = begun.refused, ""
    if refused:
        st.error(refused, icon=":material/error:")
    return bool(refused)


def _changed_meanwhile(visit: Visit, was: Row, draft: Row) -> None:
    """Somebody saved another state than the fields began as: who, when and what."""
    mine = draft["changed_by_name"] == visit.person.name
    who = "You" if mine else words.plain(draft["changed_by_name"])
    when = words.moment(draft["written_at"], visit.person)
    lines = [told(each) for each in changes(was, draft)]
    lines += [
        f"{label}: {words.plain(was[name])} → **{words.plain(draft[name])}**"
        for name, label in (("version", "Name"), ("note", "Why it changes"))
        if was[name] != draft[name]
    ]
    heading = f"{who} changed this draft{' in another window' if mine else ''}, {when}:"
    ending = "Your values are kept above; save again to put them over it."
    st.warning("  \n".join([heading, *lines, ending]), icon=":material/call_split:")


def _outcome(failing: Sequence[Golden]) -> None:
    """Whether what is saved can be published, where the eye is after saving."""
    if not failing:
        quiet("As it is saved every golden case passes.")
        return
    lines = [case_in_words(case) for case in failing]
    st.error("  \n".join(["It is saved, and cannot be published yet.", *lines]), icon=":material/error:")


def case_in_words(case: Golden) -> str:
    """A golden case that fails, in one line."""
    if case.found.startswith("“"):
        return words.plain(f"{case.clause} reads {case.found} What must hold: {case.title}.")
    return words.plain(f"{case.clause}, {case.title}: it is {case.found}, and must be {case.wanted}.")


# -- the fields -------------------------------------------------------------------------------------------


def _fields(name: str, begun: _Begun) -> None:
    start = begun.start
    with st.container(horizontal=True):
        _line(name, begun, "version", "Name of the version", start["version"], VERSION_CHARACTERS_MAX)
        for each in _TYPED:
            label, value = LABELS[each], figure_in_words(each, start[each])
            _line(name, begun, each, label, value, AMOUNT_CHARACTERS_MAX, hint=_bounds(each))
        st.selectbox(
            LABELS["spend_order"],
            list(SPEND_ORDERS),
            index=list(SPEND_ORDERS).index(start["spend_order"]),
            format_func=SPEND_ORDERS.__getitem__,
            width=200,
            key=_key(name, begun, "spend_order"),
        )
        limit = decimal_text(start[_LIMIT], LIMIT_CURRENCY)
        hint = "The same count of the smallest unit in every currency: 30.00 is $30.00, €30.00 and ¥3,000."
        _line(name, begun, _LIMIT, f"{LABELS[_LIMIT]} ($)", limit, AMOUNT_CHARACTERS_MAX, hint=hint)
    st.text_input("Why it changes", start["note"], max_chars=2000, key=_key(name, begun, "note"))
    known = words.plain(", ".join(f"{{{each}}}" for each in LABELS))
    quiet(f"What the pro reads. For a number write its placeholder: {known}.")
    with st.expander("Clauses"):
        for clause in CLAUSES:
            left, right = st.columns([3, 2])
            text, page = start["clauses"][clause], start["sources"].get(clause, "")
            left.text_input(
                f"{clause}: the words", text, CLAUSE_CHARACTERS_MAX, key=_key(name, begun, f"{clause}-words")
            )
            right.text_input(
                f"{clause}: the public page",
                page,
                placeholder="https://…",
                key=_key(name, begun, f"{clause}-page"),
            )


def _line(
    name: str, begun: _Begun, field: str, label: str, value: str, most: int, *, hint: str | None = None
) -> None:
    st.text_input(label, value, most, key=_key(name, begun, field), help=hint, width=185)


def _bounds(name: str) -> str:
    """What a number can be, in words: a whole number from 1 to 3,650."""
    bounds = FIGURES[name]
    kind = f"number with at most {bounds.decimals} decimals" if bounds.decimals else "whole number"
    return f"A {kind} from {bounds.least:,} to {bounds.most:,}"


# -- saving -----------------------------------------------------------------------------------------------


def _save(visit: Visit, name: str) -> None:
    """Before the page is painted anew: what was typed stays, a refusal is kept to be said at the button."""
    begun: _Begun = st.session_state[_place(name)]
    begun.refused = ""
    try:
        values = _typed(name, begun)
        if "draft_id" in begun.start:
            draft_id = begun.start["draft_id"]
            policy_drafts.change_draft(visit.desk, visit.person, draft_id, values, revision=begun.seen)
        else:
            base = begun.start["begun_from"]
            draft_id = policy_drafts.write_draft(visit.desk, visit.person, values, begun_from=base)
    except DraftChanged:
        # The page says beside the button who changed what, and what was typed stays.
        st.toast(
            "Not saved: this draft was changed meanwhile.", icon=":material/call_split:", duration="long"
        )
        return
    except Refusal as refusal:
        begun.refused = str(refusal)
        return
    st.session_state.pop(_place(name))
    st.query_params["draft"] = str(draft_id)
    _tell_saved(visit, draft_id)


def _tell_saved(visit: Visit, draft_id: int) -> None:
    rows = policy_drafts.drafts(visit.desk, visit.person)
    row = next((each for each in rows if each["draft_id"] == draft_id), None)
    failing = failing_cases(visit, row) if row else []
    if failing:
        clauses = ", ".join(sorted({case.clause for case in failing}, key=list(CLAUSES).index))
        tell(f"The draft is saved; it can’t be published yet: {clauses}.")
    else:
        tell("The draft is saved.")


def _typed(name: str, begun: _Begun) -> Draft:
    """What the fields say. Raises BadFigure that names every number which is none, with what it can be."""
    said = {each: st.session_state[_key(name, begun, each)] for each in ("version", "spend_order", "note")}
    wrong: list[str] = []
    for each in (*_TYPED, _LIMIT):
        try:
            said[each] = _number(each, st.session_state[_key(name, begun, each)])
        except (BadAmount, BadFigure) as refusal:
            wrong.append(str(refusal))
    if wrong:
        raise BadFigure("  \n".join(["Nothing was saved.", *wrong]))
    clauses, sources = (
        {clause: st.session_state[_key(name, begun, f"{clause}-{part}")] for clause in CLAUSES}
        for part in ("words", "page")
    )
    return Draft(**said, clauses=clauses, sources=sources)


def _number(name: str, typed: str) -> float:
    """A figure as it was typed; an int but for those with decimals. Raises BadFigure, BadAmount."""
    bounds, text = FIGURES[name], typed.strip()
    if name == _LIMIT:
        return _limit(text)
    is_number = _NUMBER.fullmatch(text) is not None
    value = float(text) if is_number else -1.0
    fits = is_number and round(value, bounds.decimals) == value and bounds.least <= value <= bounds.most
    if not fits:
        shown = f"“{words.plain(text[:40])}”" if text else "empty"
        raise BadFigure(f"{bounds.label}: {_bounds(name).lower()}, not {shown}.")
    return value if bounds.decimals else int(value)


def _limit(text: str) -> int:
    bounds = FIGURES[_LIMIT]
    try:
        value = minor_units(text, LIMIT_CURRENCY)
    except BadAmount as refusal:
        raise BadAmount(f"{bounds.label}: {refusal}") from refusal
    if not bounds.least <= value <= bounds.most:
        least, most = (format_money(int(end), LIMIT_CURRENCY) for end in (bounds.least, bounds.most))
        raise BadFigure(words.plain(f"{bounds.label}: from {least} to {most}, not {text[:40]}."))
    return value
