import { allHandlersFinished, condition, proxyActivities } from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import type { ReusedStep, RunCarry, RunInput, RunRef } from '../contract/run.js';
import { records } from '../contract/timeouts.js';
import type { Plan } from '../definition/plan.js';
import { RunSession } from './session.js';
import { bytesOf } from './size.js';
import { flushAll } from './writes.js';

const { loadPlan, loadReuse, loadText, storeText } = proxyActivities<RunActivities>(records);

/** Temporal takes two MiB; the start holds a plan as well. */
const CARRY_LIMIT_BYTES = 768 * 1024;
const PIECE_CHARACTERS = 256 * 1024;

export async function openSession(input: RunInput): Promise<RunSession> {
  const session = new RunSession(input, await planOf(input), await carryOf(input));
  if (input.reuses === true) session.reuse = await reuseOf(input.run);
  return session;
}

async function planOf({ source, run }: RunInput): Promise<Plan> {
  return 'plan' in source ? source.plan : loadPlan({ run, versionId: source.versionId });
}

async function carryOf({ run, carry, carried }: RunInput): Promise<RunCarry | null> {
  if (carried === undefined) return carry ?? null;
  const pieces = await Promise.all(carried.map((value) => loadText({ run, value })));
  // -- reason: `packUp` of the execution before wrote it
  return JSON.parse(pieces.join('')) as RunCarry;
}

async function reuseOf(run: RunRef): Promise<Readonly<Record<string, ReusedStep>>> {
  const all: Record<string, ReusedStep> = {};
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof loadReuse>> = await loadReuse({ run, after });
    Object.assign(all, page.steps);
    after = page.next;
  } while (after !== null);
  return all;
}

/** Brings a run that is to continue as new to the point where it can: all is told, all callers answered, all kept. */
export async function packUp(session: RunSession): Promise<void> {
  if (session.state.end === null && session.isDirty()) await flushAll(session);
  session.isPacked = true;
  await condition(allHandlersFinished);
  for (let text = textOf(session); bytesOf(text) > CARRY_LIMIT_BYTES;) {
    const { run } = session.input;
    const carried = await Promise.all(piecesOf(text).map((piece) => storeText({ run, text: piece })));
    await condition(allHandlersFinished);
    const now = textOf(session);
    if (now === text) {
      session.stored = carried;
      return;
    }
    // a message came while it was being stored
    text = now;
  }
  session.stored = null;
}

const textOf = (session: RunSession): string => JSON.stringify(session.carry());

/** No piece ends in the middle of a character. */
function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length;) {
    const last = text.charCodeAt(from + PIECE_CHARACTERS - 1);
    const to = from + PIECE_CHARACTERS - (last >= 0xd800 && last <= 0xdbff ? 1 : 0);
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
