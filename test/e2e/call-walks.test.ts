import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import type { Person } from '../support/api.js';
import { nodeOfAgent, walks, type Answer, type Walk } from '../support/call-walks.js';
import { callEvents, callerOf } from '../support/calls.js';
import type { WorkerProcess } from '../support/worker-process.js';
import {
  beginWalk,
  changeDefaults,
  openWalkStage,
  roundsOf,
  takeRound,
  untilEnded,
  type Walking,
  type WalkStage,
} from '../support/walking.js';

/**
 * The shipped workflows of agents are walked to each of their exits, all calls side by side, and after every turn, or
 * while all of them take one, the worker is killed: no turn is lost, none is said twice.
 */

let stage: WalkStage;
let worker: WorkerProcess;
const under = new Map<Walk, Walking>();

/** When the worker of a round is killed; whatever it was doing another one has to find out. */
const kills: readonly ((turns: readonly Promise<void>[]) => Promise<unknown>)[] = [
  (turns) => Promise.all(turns),
  () => Promise.resolve(),
  (turns) => Promise.race(turns),
];

async function playRound(round: number): Promise<void> {
  const next = stage.startWorker();
  const turns = [...under.values()].filter(({ walk }) => round < roundsOf(walk)).map((each) => takeRound(each, round));
  await kills[round % kills.length]?.(turns);
  await worker.kill();
  worker = next;
  await Promise.all([...turns, next.polls]);
}

beforeAll(async () => {
  stage = await openWalkStage();
  worker = stage.startWorker();
  const [person, other] = await Promise.all([stage.signUp(), stage.signUp()]);
  await changeDefaults(other);
  const begin = async (walk: Walk, who: Person): Promise<void> => void under.set(walk, await beginWalk(walk, who));
  await Promise.all(walks.map((walk) => begin(walk, walk.isOther === true ? other : person)));
  await worker.polls;
  for (let round = 0; round < Math.max(...walks.map(roundsOf)); round += 1) await playRound(round);
  await Promise.all([...under.values()].map(untilEnded));
}, 300_000);
afterAll(async () => {
  await worker.kill();
  await stage.close();
});

const walkingOf = (walk: Walk): Walking => {
  const walking = under.get(walk);
  if (walking === undefined) throw new Error(`nobody walks "${walk.name}"`);
  return walking;
};

interface Words {
  readonly role: string;
  readonly agent: string;
  readonly content: unknown;
}

const spoken = ({ agent, how, text }: Answer, message: string): Words => {
  const told = `: ${message}${text === '' ? '' : ` ${text} gave: `}`;
  return { role: 'assistant', agent, content: how === 'quotes' ? expect.stringContaining(told) : text };
};

/** Who listens when a step begins: whoever spoke last. */
const listenerAt = ({ greeting, steps }: Walk, index: number): string =>
  (index === 0 ? greeting : steps[index - 1]?.answers.at(-1))?.agent ?? '';

function wordsOf(walk: Walk, sent: readonly string[]): readonly Words[] {
  const turns = walk.steps.flatMap(({ answers }, index): readonly Words[] => {
    const message = sent[index] ?? 'nothing';
    const asked = { role: 'user', agent: listenerAt(walk, index), content: message };
    return [asked, ...answers.map((answer) => spoken(answer, message))];
  });
  return [spoken(walk.greeting, ''), ...turns];
}

/** Every answer but a greeting is a visit of the agent's turn; each step is heard by a visit of its listening. */
function visitsOf(walk: Walk): readonly string[] {
  const node = (agent: string): string => nodeOfAgent(walk.slug, agent);
  const last = walk.hangup === undefined ? [] : [`${node(listenerAt(walk, walk.steps.length))}.listen cancelled`];
  const nodes = walk.steps.flatMap(({ answers }, index) => [
    `${node(listenerAt(walk, index))}.listen completed`,
    ...answers.filter(({ how }) => how !== 'greets').map(({ agent }) => `${node(agent)} completed`),
  ]);
  return [...nodes, ...last].toSorted();
}

const answersOf = ({ steps }: Walk): readonly Answer[] => steps.flatMap(({ answers }) => answers);
const turnsOf = (walk: Walk): number => answersOf(walk).filter(({ how }) => how !== 'greets').length;
/** A model is asked again once it has called a tool that does not end its turn. */
const asksOf = (walk: Walk): number =>
  turnsOf(walk) + answersOf(walk).filter(({ how, text }) => how === 'quotes' && text !== '').length;

function agentsOf(walk: Walk): readonly string[] {
  const all = [walk.greeting, ...answersOf(walk)].map(({ agent }) => agent);
  return all.filter((agent, index) => agent !== all[index - 1]);
}

describe.each(['front-desk', 'support-triage', 'survey'])('%s', (slug) => {
  test.each(walks.filter((walk) => walk.slug === slug))('$name', async (walk) => {
    const { person, callId, sent, heard } = walkingOf(walk);
    const call = await callerOf(person).get(callId);
    expect(call).toMatchObject({
      ...{ status: walk.end.status, status_reason: walk.end.reason },
      agent_history: agentsOf(walk).map((agent) =>
        expect.objectContaining({ agent, node_id: nodeOfAgent(slug, agent), ended_at: expect.any(String) }),
      ),
      metrics: expect.objectContaining({ agent_handoffs: agentsOf(walk).length - 1 }),
    });
    const words = wordsOf(walk, sent);
    const { text } = await person.call('GET', `/api/v1/calls/${callId}/transcript`);
    const transcript = JSON.parse(text) as readonly (Words & { readonly timestamp: string })[]; // -- reason: matched next
    expect(transcript.map(({ timestamp: _at, ...said }) => said)).toEqual(words);
    // what came back to the client, turn by turn, are the same words
    expect(heard).toEqual([
      [words[0]],
      ...walk.steps.map((step, at) => step.answers.map((each) => spoken(each, sent[at] ?? ''))),
    ]);
    const events = await callEvents(stage.db, refOf(walk));
    const said = events.filter(({ data }) => data['event'] === 'call.transcript');
    expect(said.map(({ data }) => [data['role'], data['agent'], data['content']])).toEqual(
      transcript.map(({ role, agent, content }) => [role, agent, content]),
    );
  });
});

const refOf = (walk: Walk) => {
  const { person, callId } = walkingOf(walk);
  return { workspaceId: person.workspace.id, runId: callId };
};

test.each(walks)('each visit of $slug $name is there once, and the model was asked for each once', async (walk) => {
  const { runId } = refOf(walk);
  const steps = await stage.db
    .selectFrom('run_steps')
    .select(['node_id', 'status', 'visit'])
    .where('run_id', '=', runId)
    .where('kind', 'in', ['listen', 'agent_turn'])
    .execute();
  expect(steps.map(({ node_id: id, status }) => `${id} ${status}`).toSorted()).toEqual(visitsOf(walk));
  expect(new Set(steps.map(({ node_id: id, visit }) => `${id} ${visit}`)).size).toBe(steps.length);
  const effects = await stage.db.selectFrom('effects').select(['kind', 'status']).where('run_id', '=', runId).execute();
  expect(effects).toEqual(Array.from({ length: asksOf(walk) }, () => ({ kind: 'llm', status: 'done' })));
  const { metrics } = await stage.db
    .selectFrom('calls')
    .select('metrics')
    .where('run_id', '=', runId)
    .executeTakeFirstOrThrow();
  expect(metrics.turns).toBe(turnsOf(walk));
});
