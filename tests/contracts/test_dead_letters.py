"""Working with messages that a queue has given up, over either bus; then by the commands that operators have."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aio_pika.message import IncomingMessage

from shared import dead_letter_commands as commands
from shared import erasing
from shared.broker import DELIVERY_LIMIT
from shared.dead_letter_commands import UnknownDeadLetterError
from shared.dead_letters import RabbitDeadQueue
from shared.messages import Message, decode
from tests.contracts.steps import NOTIFICATION, REGISTRATION, Fails, effects_come, eventually, make_seminar, nothing

if TYPE_CHECKING:
    from tests.contracts.conftest import Journey, LocalJourney, RabbitJourney

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "PUBLIC_URL": "https://seminar.example.no",
    "SECRET_KEY": "a key of sufficient length",
    "ORGANISER_TOKENS": "token",
}


async def die(journey: "Journey", *messages: Message) -> None:
    """Let registration give `messages` up, in this order, and then be well again."""
    for message in messages:
        journey.before_effect = Fails(REGISTRATION, message)
        buried = [*await journey.dead(REGISTRATION), str(message.id)]
        await journey.record(message)
        await eventually(lambda: journey.dead(REGISTRATION), buried)
    journey.before_effect = nothing


async def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command line of ours, in the sources' folder, with only `environment` to go by."""
    command = [sys.executable, "-m", *arguments]
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", **environment}
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


# --- over either bus ---


async def test_a_dead_letter_is_listed_with_what_is_known_of_it(journey: "Journey") -> None:
    message = make_seminar()
    await die(journey, message)

    (letter,) = await journey.dead_queue(REGISTRATION).letters()

    assert (letter.queue, letter.id, letter.type) == (REGISTRATION, str(message.id), "seminar.published")
    assert (letter.attempts, letter.error) == (3, "ArithmeticError: asked to fail")
    assert letter.since is not None
    assert decode(letter.body.encode()) == message


async def test_the_list_has_a_line_a_letter_and_nothing_of_what_it_says(journey: "Journey") -> None:
    first, second = make_seminar(title="Hemmelig"), make_seminar(title="Hemmelig")
    await die(journey, first, second)

    lines = (await commands.listed([journey.dead_queue(NOTIFICATION), journey.dead_queue(REGISTRATION)])).splitlines()

    assert lines[0].split() == ["queue", "id", "type", "attempts", "since", "error"]
    assert [line.split()[:4] for line in lines[1:]] == [
        [REGISTRATION, str(message.id), "seminar.published", "3"] for message in (first, second)
    ]
    assert "Hemmelig" not in "".join(lines)


async def test_looking_leaves_the_letters_where_they_are(journey: "Journey") -> None:
    first, second = make_seminar(), make_seminar()
    await die(journey, first, second)
    queues = [journey.dead_queue(REGISTRATION)]

    await commands.listed(queues)
    shown = await commands.shown(queues, str(second.id))

    assert json.loads(shown)["id"] == str(second.id)
    assert json.loads(shown)["data"]["title"] == "Planstrategi 4.0"
    assert await journey.dead(REGISTRATION) == [str(first.id), str(second.id)]


async def test_a_retried_letter_has_its_effect_and_no_second_one_elsewhere(journey: "Journey") -> None:
    chosen, left = make_seminar(), make_seminar()
    await die(journey, chosen, left)
    await effects_come(journey, NOTIFICATION, chosen, left)

    assert await commands.retry([journey.dead_queue(REGISTRATION)], str(chosen.id)) == "retried 1"

    await effects_come(journey, REGISTRATION, chosen)
    await effects_come(journey, NOTIFICATION, chosen, left)
    assert await journey.dead(REGISTRATION) == [str(left.id)]


async def test_all_letters_are_retried(journey: "Journey") -> None:
    messages = [make_seminar() for _ in range(3)]
    await die(journey, *messages)

    assert await commands.retry([journey.dead_queue(REGISTRATION)], None) == "retried 3"

    await effects_come(journey, REGISTRATION, *messages)
    assert await journey.dead(REGISTRATION) == []


async def test_a_retried_letter_has_all_its_attempts_again(journey: "Journey") -> None:
    message = make_seminar()
    await die(journey, message)
    journey.before_effect = Fails(REGISTRATION, message)

    await commands.retry([journey.dead_queue(REGISTRATION)], None)

    async def handed_over() -> int:
        return await journey.delivered(REGISTRATION, message)

    await eventually(handed_over, 6)
    await eventually(lambda: journey.dead(REGISTRATION), [str(message.id)])
    assert [letter.attempts for letter in await journey.dead_queue(REGISTRATION).letters()] == [3]


async def test_letters_about_who_is_erased_are_dropped_and_looked_for_until_the_broker_answers(
    journey: "Journey",
) -> None:
    gone, stays = make_seminar(), make_seminar()
    gone = gone.model_copy(update={"subject": "somebody"})
    await die(journey, gone, stays)
    database = journey.databases["registration"]
    async with database.transaction() as connection:
        await erasing.note(connection, "somebody")

    await erasing.drop_letters(database, [RabbitDeadQueue("amqp://127.0.0.1:1/", REGISTRATION)])
    async with database.connection() as connection:
        assert await erasing.is_any_new(connection), "no broker, so it is still owed"
    await erasing.drop_letters(database, [journey.dead_queue(REGISTRATION)])

    assert await journey.dead(REGISTRATION) == [str(stays.id)]
    async with database.connection() as connection:
        assert not await erasing.is_any_new(connection)


async def test_a_dropped_letter_is_gone(journey: "Journey") -> None:
    dropped, left = make_seminar(), make_seminar()
    await die(journey, dropped, left)
    queues = [journey.dead_queue(REGISTRATION)]

    assert await commands.drop(queues, str(dropped.id)) == "dropped 1"
    assert await journey.dead(REGISTRATION) == [str(left.id)]
    assert await commands.drop(queues, None) == "dropped 1"
    assert await journey.dead(REGISTRATION) == []
    assert await journey.effects(REGISTRATION) == []


@pytest.mark.parametrize("command", [commands.shown, commands.retry, commands.drop])
@pytest.mark.parametrize("unknown", ["00000000-0000-0000-0000-000000000000", "no id at all"])
async def test_an_unknown_id_is_an_error_and_changes_nothing(journey: "Journey", command: Any, unknown: str) -> None:
    message = make_seminar()
    await die(journey, message)

    with pytest.raises(UnknownDeadLetterError, match=f"no dead letter has the id {unknown}"):
        await command([journey.dead_queue(REGISTRATION)], unknown)

    assert await journey.dead(REGISTRATION) == [str(message.id)]


async def test_where_nothing_is_dead_that_is_said(journey: "Journey") -> None:
    queues = [journey.dead_queue(REGISTRATION)]

    assert await commands.listed(queues) == "no dead letters"
    assert await commands.retry(queues, None) == "retried 0"
    assert await commands.drop(queues, None) == "dropped 0"


# --- what only RabbitMQ can break ---


async def test_a_retry_that_is_cut_off_before_its_ack_loses_nothing_and_doubles_no_effect(
    rabbit_journey: "RabbitJourney", monkeypatch: pytest.MonkeyPatch
) -> None:
    message = make_seminar()
    await die(rabbit_journey, message)
    queues = [rabbit_journey.dead_queue(REGISTRATION)]
    ack = IncomingMessage.ack

    async def cut_off(delivery: IncomingMessage, *arguments: Any) -> None:
        if delivery.consumer_tag is None:  # the letter that was got, not the one that the consumer handles
            raise ConnectionError("cut off")
        await ack(delivery, *arguments)

    monkeypatch.setattr(IncomingMessage, "ack", cut_off)
    with pytest.raises(ConnectionError):
        await commands.retry(queues, None)
    await effects_come(rabbit_journey, REGISTRATION, message)
    await eventually(lambda: rabbit_journey.dead(REGISTRATION), [str(message.id)])
    monkeypatch.setattr(IncomingMessage, "ack", ack)
    await commands.retry(queues, None)

    await eventually(lambda: rabbit_journey.delivered(REGISTRATION, message), 5)
    await effects_come(rabbit_journey, REGISTRATION, message)
    assert await rabbit_journey.dead(REGISTRATION) == []


async def test_a_letter_that_its_queue_does_not_take_stays_dead(rabbit_journey: "RabbitJourney") -> None:
    message = make_seminar()
    await die(rabbit_journey, message)
    await rabbit_journey.close_queues()

    with pytest.raises(RuntimeError, match="NO_ROUTE"):
        await commands.retry([rabbit_journey.dead_queue(REGISTRATION)], None)

    assert await rabbit_journey.dead(REGISTRATION) == [str(message.id)]


async def test_what_the_broker_itself_gave_up_says_so(rabbit_journey: "RabbitJourney") -> None:
    message = make_seminar()
    await rabbit_journey.stop_consumers()
    await rabbit_journey.publish(message)
    async with rabbit_journey.channel() as channel:
        queue = await channel.get_queue(REGISTRATION)
        for _ in range(DELIVERY_LIMIT + 1):
            await (await queue.get()).nack(requeue=True)

    await eventually(lambda: rabbit_journey.dead(REGISTRATION), [str(message.id)])
    (letter,) = await rabbit_journey.dead_queue(REGISTRATION).letters()

    assert letter.error == "given up by the broker: delivery_limit"
    assert letter.since is not None


# --- the commands ---


async def test_a_service_works_with_its_own_dead_letters_and_no_more_rights_than_it_has(
    rabbit_journey: "RabbitJourney", users: dict[str, str]
) -> None:
    retried, dropped = make_seminar(), make_seminar()
    await die(rabbit_journey, retried, dropped)

    async def dead_letters(*words: str) -> "subprocess.CompletedProcess[str]":
        urls = {"DATABASE_URL": rabbit_journey.urls["registration"], "BUS_URL": users["registration"]}
        return await run("services.registration", "dead-letters", *words, **SETTINGS, **urls)

    listed = await dead_letters("list")
    assert re.findall(r"^registration\.seminar +(\S+)", listed.stdout, re.MULTILINE) == [
        str(retried.id),
        str(dropped.id),
    ]
    assert json.loads((await dead_letters("show", str(retried.id))).stdout)["id"] == str(retried.id)
    assert (await dead_letters("retry", str(retried.id))).stdout == "retried 1\n"
    assert (await dead_letters("drop", "--all")).stdout == "dropped 1\n"
    assert (await dead_letters("list")).stdout == "no dead letters\n"
    unknown = await dead_letters("show", str(retried.id))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert f"no dead letter has the id {retried.id}" in unknown.stderr
    assert (await dead_letters("bury")).stderr.startswith(
        "usage: python -m services.registration [migrate | dead-letters"
    )
    await effects_come(rabbit_journey, REGISTRATION, retried)


def write_services(data: Path, urls: dict[str, str], buses: dict[str, str]) -> None:
    services = {s: {"DATABASE_URL": urls[s], "BUS_URL": buses[s], **SETTINGS} for s in urls}
    (data / "services.json").write_text(json.dumps(services))


async def test_on_one_machine_the_dead_letters_of_all_services_are_worked_with_while_they_run(
    local_journey: "LocalJourney", tmp_path: Path
) -> None:
    message = make_seminar()
    await die(local_journey, message)
    write_services(tmp_path, local_journey.urls, dict.fromkeys(local_journey.urls, "local:"))

    async def dead_letters(*words: str) -> "subprocess.CompletedProcess[str]":
        return await run("local", "dead-letters", *words, DATA=str(tmp_path))

    assert f"registration.seminar  {message.id}" in (await dead_letters("list")).stdout
    assert (await dead_letters("list", "--queue", NOTIFICATION)).stdout == "no dead letters\n"
    assert json.loads((await dead_letters("show", str(message.id))).stdout)["id"] == str(message.id)
    neither = await dead_letters("retry")
    assert (neither.returncode, neither.stderr) == (1, "fagseminar: name either one dead letter by its ID, or --all\n")
    assert (await dead_letters("retry", str(message.id))).stdout == "retried 1\n"
    unknown = await dead_letters("drop", str(message.id))
    assert (unknown.returncode, unknown.stderr) == (1, f"fagseminar: no dead letter has the id {message.id}\n")
    nowhere = await dead_letters("list", "--queue", "nowhere")
    assert (nowhere.returncode, nowhere.stderr.partition(";")[0]) == (1, "fagseminar: there is no queue nowhere")
    await effects_come(local_journey, REGISTRATION, message)


async def test_on_one_machine_they_are_found_over_rabbitmq_too(
    rabbit_journey: "RabbitJourney", users: dict[str, str], tmp_path: Path
) -> None:
    message = make_seminar()
    await die(rabbit_journey, message)
    write_services(tmp_path, rabbit_journey.urls, users)

    retried = await run("local", "dead-letters", "retry", "--all", "--data", str(tmp_path))

    assert (retried.stdout, retried.stderr) == ("retried 1\n", "")
    await effects_come(rabbit_journey, REGISTRATION, message)


async def test_where_nothing_was_started_that_is_said_in_one_line(tmp_path: Path) -> None:
    process = await run("local", "dead-letters", "list", "--data", str(tmp_path))

    assert process.returncode == 1
    assert process.stderr.startswith(f"fagseminar: {tmp_path}/services.json is not there")
    assert process.stderr.count("\n") == 1
