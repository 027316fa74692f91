import { proxyActivities } from '@temporalio/workflow';
import type { RunActivities } from '../contract/activities.js';
import type { OpenWait, WaitAlarm, WaitSettlement } from '../contract/run.js';
import { records } from '../contract/timeouts.js';
import type { NodeOf, PlanNode } from '../definition/plan.js';
import { inline, jsonOf, textOf, type Json, type Value } from '../definition/values.js';
import { edgesFrom } from '../engine/graph.js';
import type { Visit } from '../engine/state.js';
import { failVisit, leave } from './leave.js';
import { NodeProblem, scopeOf, textFor, valueFor } from './scope.js';
import type { RunSession } from './session.js';
import type { NewWait } from './wait-book.js';
import { flushExcess, whole } from './writes.js';

const activities = proxyActivities<RunActivities>(records);

const inSeconds = (seconds: number | undefined): number | null =>
  seconds === undefined ? null : Date.now() + seconds * 1_000;

/** Opens the visit's wait and tells the read model, once; an event that was there before settles it at once. */
export async function openWait(session: RunSession, visit: Visit, asked: NewWait): Promise<OpenWait> {
  const { wait, isNew } = session.waits.open(visit, asked, session.roundAround(visit));
  if (!isNew || session.opened.delete(wait.token)) return wait;
  const isParked = wait.kind === 'parked';
  session.record(visit, {
    status: isParked ? 'parked' : 'waiting',
    startedAt: wait.openedAt,
    ...(wait.error === undefined ? {} : { error: wait.error }),
    ...(wait.kind === 'message' && wait.prompt !== undefined ? { said: wait.prompt } : {}),
  });
  await flushExcess(session);
  const flush = session.takeFlush(session.state.end === null ? session.status() : session.readModel.recorded);
  const node = session.node(visit);
  const scope = scopeOf(session, visit, node.reads);
  const { run } = session.input;
  try {
    const { event } = await whole(() => activities.openWait({ run, node, wait, input: visit.input, scope, flush }));
    if (event !== undefined) session.waits.receive(event);
  } catch (error) {
    session.readModel.restore(flush);
    session.waits.close(wait.token);
    throw error;
  }
  return wait;
}

/** Null when the run drains: the wait is carried over and re-armed. */
export async function settlementOf(session: RunSession, { token }: OpenWait): Promise<WaitSettlement | null> {
  for (;;) {
    const wait = session.waits.get(token);
    const decided = session.waits.decisionOn(token);
    if (wait === undefined || decided !== undefined) {
      session.waits.close(token);
      return decided ?? null;
    }
    const due = dueOf(wait);
    if (due <= Date.now()) await fallDue(session, wait);
    else if (session.draining) return null;
    else await session.idle(() => session.waits.decisionOn(token) !== undefined, due === Infinity ? null : due);
  }
}

const alarmOf = ({ alarms = [] }: OpenWait): WaitAlarm | undefined => alarms[0];

const dueOf = (wait: OpenWait): number => Math.min(wait.deadline ?? Infinity, alarmOf(wait)?.at ?? Infinity);

async function fallDue(session: RunSession, wait: OpenWait): Promise<void> {
  const alarm = alarmOf(wait);
  if (alarm !== undefined && alarm.at <= Date.now()) await sound(session, wait, alarm);
  else session.waits.settle(expiryOf(wait.token));
}

const expiryOf = (token: string): WaitSettlement => ({
  ...{ token, outcome: 'expired', by: 'auto-expired', note: null, value: null },
  at: Date.now(),
});

/** Reminds, or lets others decide as well. */
async function sound(session: RunSession, wait: OpenWait, alarm: WaitAlarm): Promise<void> {
  const { audience, replace } = alarm;
  const others = audience === null ? wait.audience : [...(replace ? [] : (wait.audience ?? [])), ...audience];
  const alarms = (wait.alarms ?? []).slice(1);
  session.waits.change(wait.token, { alarms, ...(others === undefined ? {} : { audience: [...new Set(others)] }) });
  const changed = session.waits.get(wait.token) ?? wait;
  await whole(() => activities.alarmWait({ run: session.input.run, wait: changed, isEscalation: audience !== null }));
}

export async function awaitDecision(session: RunSession, visit: Visit, node: NodeOf<'approval'>): Promise<void> {
  const { config } = node;
  const opened = await openWait(session, visit, {
    kind: 'decision',
    deadline: inSeconds(config.timeout_seconds),
    votes: [],
    alarms: alarmsOf(config),
    ...(config.audience === undefined ? {} : { audience: config.audience }),
  });
  const settlement = await settlementOf(session, opened);
  if (settlement === null) return;
  const { outcome, by } = settlement;
  const isExpired = outcome === 'expired' && config.on_expire === 'expire';
  const isApproved = outcome === 'approved' || (outcome === 'expired' && config.on_expire === 'approve');
  const port = isExpired ? 'expired' : isApproved ? 'approved' : 'rejected';
  await leave(session, visit, {
    output: decided(visit, node, settlement),
    port,
    startedAt: opened.openedAt,
    decidedBy: by,
  });
}

function alarmsOf({ reminders, escalation }: NodeOf<'approval'>['config']): readonly WaitAlarm[] {
  const at = (seconds: number): number => Date.now() + seconds * 1_000;
  return [
    ...reminders.map((after) => ({ at: at(after), audience: null, replace: false })),
    ...escalation.map(({ after, audience, replace }) => ({ at: at(after), audience, replace })),
  ].sort((a, b) => a.at - b.at);
}

/** A chain goes on with its text; a graph with everything that is known of the decision. */
function decided({ input }: Visit, { dialectKind }: PlanNode, settlement: WaitSettlement): Value {
  const { outcome, by, note, value, votes = [] } = settlement;
  if (dialectKind === 'human') return value ?? input;
  const shown: Json = votes.map((vote) => ({ by: vote.by, decision: vote.decision, note: vote.note }));
  const facts = { decision: outcome, by, note, votes: shown };
  const parts = Object.fromEntries(Object.entries(facts).map(([key, json]) => [key, inline(json)]));
  return { parts: { ...parts, data: value ?? inline(null), input } };
}

export async function awaitTime(session: RunSession, visit: Visit, node: NodeOf<'delay' | 'until'>): Promise<void> {
  const known = session.waits.of(visit);
  const deadline = known === undefined ? await timeOf(session, visit, node) : known.deadline;
  const { wait, isNew } = session.waits.open(visit, { kind: 'until', deadline }, session.roundAround(visit));
  if (isNew) session.record(visit, { status: 'waiting', startedAt: wait.openedAt });
  const settlement = await settlementOf(session, wait);
  if (settlement === null) return;
  await leave(session, visit, { output: visit.input, startedAt: wait.openedAt });
}

async function timeOf(session: RunSession, visit: Visit, node: NodeOf<'delay' | 'until'>): Promise<number> {
  if (node.kind === 'delay') {
    const { config } = node;
    if ('seconds' in config) return Date.now() + config.seconds * 1_000;
    return activities.nextCronTime({ ...config, after: Date.now() });
  }
  const json = jsonOf(await valueFor(session, visit, node.config.at)) ?? null;
  const at = typeof json === 'number' ? json : Date.parse(textOf(json));
  if (Number.isFinite(at)) return at;
  const message = `at: ${JSON.stringify(json).slice(0, 100)} is no time; give ISO 8601 or epoch milliseconds.`;
  throw new NodeProblem({ type: 'config_invalid', message });
}

export async function awaitEvent(session: RunSession, visit: Visit, node: NodeOf<'wait_event'>): Promise<void> {
  const { name, key, timeout_seconds: timeout } = node.config;
  const isKnown = session.waits.of(visit) !== undefined;
  const correlation = key === undefined || isKnown ? null : await textFor(session, visit, key);
  const asked = { kind: 'event', deadline: inSeconds(timeout), event: { name, key: correlation } } as const;
  const wait = await openWait(session, visit, asked);
  if (session.waits.find(wait.token) !== undefined) session.waits.takeEarly(wait);
  const settlement = await settlementOf(session, wait);
  if (settlement === null) return;
  const { openedAt: startedAt } = wait;
  if (settlement.outcome !== 'expired') {
    return leave(session, visit, { output: settlement.value ?? inline(null), startedAt, decidedBy: settlement.by });
  }
  if (edgesFrom(session.plan, node.id, 'timeout').length > 0) {
    return leave(session, visit, { output: visit.input, port: 'timeout', startedAt, decidedBy: 'timeout' });
  }
  const message = `The event "${name}" did not come in time; add an edge labelled "timeout" to go on without it.`;
  await failVisit(session, visit, { error: { type: 'timeout', message }, startedAt });
}

/** The user of a conversation speaks next; a run that is none is told everything at its start, and its path ends here. */
export async function awaitMessage(session: RunSession, visit: Visit, node: NodeOf<'listen'>): Promise<void> {
  const startedAt = Date.now();
  const unheard = session.talk.takeUnheard();
  if (session.input.isConversation !== true) {
    return leave(session, visit, { output: visit.input, startedAt, endsPath: unheard === null });
  }
  if (unheard !== null) return leave(session, visit, { output: messageOf(unheard), startedAt, decidedBy: 'user' });
  const deadline = inSeconds(node.config.timeout_seconds);
  const prompt = await greet(session, visit, node);
  const wait = await openWait(session, visit, { kind: 'message', deadline, ...(prompt === '' ? {} : { prompt }) });
  const settlement = await settlementOf(session, wait);
  if (settlement === null) return;
  if (settlement.outcome === 'expired') {
    return leave(session, visit, { output: visit.input, port: 'timeout', startedAt, decidedBy: 'timeout' });
  }
  const output = settlement.value ?? inline(null);
  await leave(session, visit, { output, startedAt: wait.openedAt, decidedBy: settlement.by });
}

/** Whoever was spoken to before needs no greeting, unless somebody new greets. */
async function greet(session: RunSession, visit: Visit, { id, config }: NodeOf<'listen'>): Promise<string> {
  const isKnown = session.talk.message !== null && config.always_greet !== true;
  const isFirst = !isKnown && visit.visit === 1 && session.waits.of(visit) === undefined;
  if (config.greeting === undefined || !isFirst) return '';
  const text = await textFor(session, visit, config.greeting);
  session.talk.say({ node_id: id, text });
  return text;
}

const messageOf = (text: string): Value => inline({ text });
