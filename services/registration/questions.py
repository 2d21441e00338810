"""A seminar's own questions: whom they are asked, which answers fit, and how a form carries them."""

from collections.abc import Iterable, Iterator, Mapping

from shared.faults import Fault
from shared.messages import Attendance, Question

Answers = Mapping[str, str | tuple[str, ...]]


class UnfitError(ValueError):
    """Answers that do not fit the questions; `faults` names each by its field, answers.<id>."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(", ".join(fault.field for fault in self.faults))


def asked(questions: Iterable[Question], attendance: Attendance) -> tuple[Question, ...]:
    """Return the questions for those who attend so, in their order."""
    return tuple(question for question in questions if attendance in question.attendance)


def check(questions: Iterable[Question], attendance: Attendance, answers: Answers) -> None:
    """Raise UnfitError unless `answers` fit what those who attend so are asked."""
    faults = [Fault(("answers", about), text, values) for about, text, values in _unfit(questions, attendance, answers)]
    if faults:
        raise UnfitError(faults)


def fitting(
    questions: Iterable[Question], attendance: Attendance, answers: Answers
) -> dict[str, str | tuple[str, ...]]:
    """Return those of `answers` that fit what those who attend so are asked: what remains after a change of either."""
    known = {question.id: question for question in asked(questions, attendance)}
    return {
        about: reply
        for about, reply in answers.items()
        if reply and about in known and _wrong(known[about], reply) is None
    }


Unfit = tuple[str, str, Mapping[str, str]]  # a question's id, what would be right, and what fills that


def _unfit(questions: Iterable[Question], attendance: Attendance, answers: Answers) -> Iterator[Unfit]:
    known = {question.id: question for question in asked(questions, attendance)}
    for about in answers:
        if about not in known:
            yield about, "is not asked of those who attend this way", {}
    for about, question in known.items():
        if not answers.get(about):
            if question.required:
                yield about, "is needed", {}
        elif text := _wrong(question, answers[about]):
            yield about, text, {"expected": ", ".join(option.id for option in question.options)}


def _wrong(question: Question, reply: str | tuple[str, ...]) -> str | None:
    if question.kind == "several":
        if isinstance(reply, str):
            return "wants a list"
        if len(set(reply)) < len(reply):
            return "must not name anything twice"
    elif not isinstance(reply, str):
        return "wants a text"
    chosen = (reply,) if isinstance(reply, str) else reply
    offered = {option.id for option in question.options}
    return None if question.kind == "text" or offered.issuperset(chosen) else "wants one of these: %(expected)s"


# --- in a form: answers.<id> holds a text or the option that is chosen, answers.<id>.<option> one of several ---


def answers_in(
    questions: Iterable[Question], attendance: Attendance, form: Mapping[str, str]
) -> dict[str, str | tuple[str, ...]]:
    """Return the answers that a form carries; what was left blank or is asked of others only is passed over."""
    replies = {question.id: _reply_in(question, form) for question in asked(questions, attendance)}
    return {about: reply for about, reply in replies.items() if reply}


def _reply_in(question: Question, form: Mapping[str, str]) -> str | tuple[str, ...]:
    field = f"answers.{question.id}"
    if question.kind == "several":
        return tuple(option.id for option in question.options if f"{field}.{option.id}" in form)
    return form.get(field, "").strip()


def fields_of(answers: Answers) -> dict[str, str]:
    """Return the form's fields that carry `answers`."""
    fields = {}
    for about, reply in answers.items():
        if isinstance(reply, str):
            fields[f"answers.{about}"] = reply
        else:
            fields |= {f"answers.{about}.{option}": "on" for option in reply}
    return fields
