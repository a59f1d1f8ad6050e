"""The sale of a lesson as a DBOS workflow: `python -m bench.peers.dbos_sagas async|sync|merged URL`.

It runs in a virtual environment of its own, with DBOS and without ours. The steps are those of
payment_svc/selling/book_and_pay.py, and they do nothing, as the peers of bench/engine.py do nothing. The customer starts the
workflow under an id of its own, waits for the client secret, sends the payment, and waits for the end.

| variant | what it is |
|---|---|
| async | the API for asyncio; each step is a DBOS step, which DBOS checkpoints |
| sync | the same with the API for threads |
| merged | the API for asyncio; the steps between two commits of our engine are one DBOS step |

The configuration is what DBOS recommends: PostgreSQL, LISTEN/NOTIFY instead of polling, a pool for the load, quiet logs.
The event loop is uvloop, as in our services.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta

import uvloop
from dbos import DBOS, DBOSConfig, SetWorkflowID

from bench.worker import Loop, serve

#: As many connections as our engine has (bench/engine.py).
POOL = 16
TIMEOUT_SECONDS = 30
Hold = dict[str, object]
Order = dict[str, object]


def _hold(saga: str) -> Hold:
    return {"block": saga, "amount": 5000, "currency": "USD", "expires": datetime.now(UTC) + timedelta(minutes=30)}


@DBOS.step()
def hold_slot(saga: str, order: Order) -> Hold:
    return _hold(saga)


@DBOS.step()
def record_booking(saga: str, order: Order, hold: Hold) -> bool:
    return True


@DBOS.step()
def open_payment(saga: str, hold: Hold) -> str:
    return f"pi_{saga}_secret_of_the_benchmark"


@DBOS.step()
def confirm_slot(saga: str) -> bool:
    return True


@DBOS.step()
def create_session(saga: str, order: Order) -> str:
    return ""


@DBOS.step()
def confirm_booking(saga: str) -> bool:
    return True


@DBOS.workflow()
def sell_in_thread(saga: str, order: Order) -> str:
    hold = hold_slot(saga, order)
    record_booking(saga, order, hold)
    DBOS.set_event("client_secret", open_payment(saga, hold))
    if DBOS.recv("paid", TIMEOUT_SECONDS) is None:
        return "EXPIRED"
    confirm_slot(saga)
    create_session(saga, order)
    confirm_booking(saga)
    return "COMPLETED"


@DBOS.step()
async def hold_slot_async(saga: str, order: Order) -> Hold:
    return _hold(saga)


@DBOS.step()
async def record_booking_async(saga: str, order: Order, hold: Hold) -> bool:
    return True


@DBOS.step()
async def open_payment_async(saga: str, hold: Hold) -> str:
    return f"pi_{saga}_secret_of_the_benchmark"


@DBOS.step()
async def confirm_slot_async(saga: str) -> bool:
    return True


@DBOS.step()
async def create_session_async(saga: str, order: Order) -> str:
    return ""


@DBOS.step()
async def confirm_booking_async(saga: str) -> bool:
    return True


@DBOS.workflow()
async def sell(saga: str, order: Order) -> str:
    hold = await hold_slot_async(saga, order)
    await record_booking_async(saga, order, hold)
    await DBOS.set_event_async("client_secret", await open_payment_async(saga, hold))
    if await DBOS.recv_async("paid", TIMEOUT_SECONDS) is None:
        return "EXPIRED"
    await confirm_slot_async(saga)
    await create_session_async(saga, order)
    await confirm_booking_async(saga)
    return "COMPLETED"


@DBOS.step()
async def hold_record_and_open(saga: str, order: Order) -> str:
    return f"pi_{saga}_secret_of_the_benchmark"


@DBOS.step()
async def confirm_and_create(saga: str, order: Order) -> str:
    return ""


@DBOS.workflow()
async def sell_merged(saga: str, order: Order) -> str:
    await DBOS.set_event_async("client_secret", await hold_record_and_open(saga, order))
    if await DBOS.recv_async("paid", TIMEOUT_SECONDS) is None:
        return "EXPIRED"
    await confirm_and_create(saga, order)
    return "COMPLETED"


def _new_order() -> tuple[str, Order]:
    order: Order = {
        "student": str(uuid.uuid4()), "tutor": str(uuid.uuid4()), "start": datetime.now(UTC), "minutes": 60,
    }  # fmt: skip
    return str(uuid.uuid4()), order


def buy_in_thread() -> None:
    saga, order = _new_order()
    with SetWorkflowID(saga):
        handle = DBOS.start_workflow(sell_in_thread, saga, order)
    _check_secret(DBOS.get_event(saga, "client_secret", TIMEOUT_SECONDS))
    DBOS.send(saga, "succeeded", "paid")
    _check_end(handle.get_result())


async def buy() -> None:
    await _buy(sell)


async def buy_merged() -> None:
    await _buy(sell_merged)


async def _buy(workflow: object) -> None:
    saga, order = _new_order()
    with SetWorkflowID(saga):
        handle = await DBOS.start_workflow_async(workflow, saga, order)
    _check_secret(await DBOS.get_event_async(saga, "client_secret", TIMEOUT_SECONDS))
    await DBOS.send_async(saga, "succeeded", "paid")
    _check_end(await handle.get_result())


def _check_secret(secret: str | None) -> None:
    if secret is None:
        raise RuntimeError("there was no client secret")


def _check_end(end: str) -> None:
    if end != "COMPLETED":
        raise RuntimeError(f"the workflow ended as {end}")


async def _run(variant: str, loop: Loop) -> None:
    if variant == "sync":
        await asyncio.to_thread(loop.run_in_threads, buy_in_thread)
    else:
        await loop.run(buy if variant == "async" else buy_merged)


async def main(variant: str, database_url: str) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": database_url,
        "sys_db_pool_size": POOL,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    await serve(lambda loop: _run(variant, loop), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # DBOS's threads would wait for their next poll


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
