import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { derivedId, newSeed } from '../../db/ids.js';
import { insertRun } from '../../db/runs.js';
import type { Moved } from '../../workflows/contract/messages.js';
import type { RunRef, StepStatus } from '../../workflows/contract/run.js';
import { inline } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { silentTemporal } from '../support/silent-temporal.js';

let api: TestApi;
let person: Person;
/** What the runs answer when they are asked to move, by run id. */
const answers = new Map<string, Moved | 'closed'>();
const asked: string[] = [];

const moveVersion = async ({ runId }: RunRef) => {
  asked.push(runId);
  const answer = answers.get(runId) ?? { moved: true };
  return answer === 'closed'
    ? ({ outcome: 'closed', message: 'no such workflow' } as const)
    : ({ outcome: 'done', value: answer } as const);
};

beforeAll(async () => {
  api = await startTestApi({ temporal: () => ({ ...silentTemporal(), moveVersion }) });
  person = await api.signUp();
});
afterAll(() => api.close());

const agent = { id: 'root_agent', type: 'instruction_agent', config: { instructions: 'Help.' } };
const end = { id: 'bye', type: 'end', config: {} };
const edge = { id: 'e1', source: 'root_agent', target: 'bye', condition: { expr: 'default' } };
const graph = { nodes: [agent, end], edges: [edge] };
const at = (id: string, rest = ''): string => `/v1/definitions/${id}${rest}`;

async function workflow(name: string, nodes: readonly object[] = graph.nodes): Promise<string> {
  const body = { name, graph: { nodes, edges: graph.edges } };
  return String((await person.call('POST', '/v1/workflows', { body })).body['id']);
}

const publish = (id: string, body: object = {}) => person.call('POST', at(id, '/publish'), { body });
const draftOf = async (id: string) => (await person.call('GET', at(id, '/draft'))).body as { document: object };

/** An open run of a version, standing at some nodes and done with others. */
async function openRun(
  definitionId: string,
  versionId: string,
  steps: Readonly<Record<string, StepStatus>>,
): Promise<string> {
  const run = { workspaceId: person.workspace.id, runId: derivedId('run', newSeed()) };
  const of = { definition: { id: definitionId, versionId }, kind: 'workflow', plan: null };
  await insertRun(api.db, { ...of, run, input: inline('in'), trigger: 'api', actor: 'test' });
  await api.db.updateTable('runs').set({ status: 'waiting' }).where('id', '=', run.runId).execute();
  for (const [node, status] of Object.entries(steps)) {
    const isOver = status === 'completed';
    await api.db
      .insertInto('run_steps')
      .values({
        run_id: run.runId,
        key: `${node}/1`,
        node_id: node,
        visit: 1,
        seq: 1,
        kind: 'x',
        label: node,
        status,
        started_at: new Date(),
        ended_at: isOver ? new Date() : null,
      })
      .execute();
  }
  return run.runId;
}

describe('open runs', () => {
  test('are listed by version, with what a candidate would mean for each', async () => {
    const id = await workflow('Running', [agent, { ...end, id: 'middle' }, end]);
    const { version_id: first } = (await publish(id)).body;
    const atAgent = await openRun(id, String(first), { root_agent: 'waiting' });
    const atMiddle = await openRun(id, String(first), { root_agent: 'completed', middle: 'running' });
    expect((await person.call('POST', at(id, '/publish-preview'))).body).toMatchObject({
      ok: true,
      versions: [{ version_id: first, number: 1, runs: 2, sample: [atMiddle, atAgent] }],
      effects: [{ outcome: 'stays' }, { outcome: 'stays' }],
      more_runs: 0,
    });
    const { document } = await draftOf(id);
    const without = { ...document, nodes: [agent, end] };
    expect((await person.call('POST', at(id, '/publish-preview'), { body: { document: without } })).body).toMatchObject(
      {
        effects: [
          {
            run_id: atMiddle,
            version: 1,
            at: ['middle'],
            outcome: 'cannot_move',
            reasons: [expect.stringContaining('"middle"')],
          },
          { run_id: atAgent, at: ['root_agent'], outcome: 'can_move', reasons: [] },
        ],
      },
    );
    await person.call('PUT', at(id, '/draft'), { body: { document: without } });
    answers.set(atMiddle, { moved: false, reasons: ['The run stands at "middle".'] });
    const published = await publish(id, { move: { run_ids: 'all' } });
    expect(published.body).toMatchObject({
      version: 2,
      live_runs: [{ version_id: first, runs: 2 }],
      moves: [
        { run_id: atMiddle, outcome: 'refused', reasons: ['The run stands at "middle".'] },
        { run_id: atAgent, outcome: 'moved', reasons: [] },
      ],
    });
    expect((await person.call('GET', at(id))).body).toMatchObject({ open_runs: 2 });
  });

  test('are asked to move by id; what is none of them is said to have ended', async () => {
    const id = await workflow('Moving');
    const { version_id: first } = (await publish(id)).body;
    const [one, two] = [await openRun(id, String(first), {}), await openRun(id, String(first), {})];
    await person.call('PUT', at(id, '/draft'), { body: { document: { ...graph, edges: [], nodes: [agent] } } });
    await publish(id);
    answers.set(two, 'closed');
    const other = await openRun(await workflow('Other'), String(first), {});
    const body = { run_ids: [one, two, other, one], version: 2 };
    const moved = await person.call('POST', at(id, '/move'), { body });
    expect(moved.status).toBe(202);
    expect(moved.body).toMatchObject({ version: 2 });
    const byRun = Object.fromEntries(
      (moved.body['moves'] as { run_id: string; outcome: string }[]).map(({ run_id, outcome }) => [run_id, outcome]),
    );
    expect(byRun).toEqual({ [one]: 'moved', [two]: 'ended', [other]: 'ended' });
    expect(asked).not.toContain(other);
    expect((await person.call('POST', at(id, '/move'), { body: { run_ids: 'all', version: 7 } })).status).toBe(404);
  });
});
