import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Person } from '../support/api.js';
import type { Answered } from '../support/http.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { silentTemporal } from '../support/silent-temporal.js';
import type { Listening, Message } from '../support/sse.js';
import { seedAgent, seedStaged, seedTool, stagedUser, type StagedUser } from '../support/staged-desk.js';
import { until } from '../support/until.js';

// Staged workflows on the whole platform; the scripted provider quotes what it was asked.

let platform: TestPlatform;
let ana: Person;
let user: StagedUser;
let stranger: StagedUser;

interface Step {
  readonly name: string;
  readonly response_text: string;
  readonly structured_output: unknown;
  readonly branch_index: number | null;
}

const stepsOf = ({ body }: Answered): readonly Step[] => body['steps'] as readonly Step[];
const runIdOf = ({ body }: Answered): string => String(body['workflow_run_id']);
const draw = (slug: string, document: object): Promise<string> =>
  seedStaged(platform.db, ana.workspace.id, { slug, document });

beforeAll(async () => {
  platform = await startTestPlatform();
  ana = await platform.signUp();
  user = stagedUser(platform.url, ana);
  stranger = stagedUser(platform.url, await platform.signUp());
  const { db } = platform;
  await seedTool(db, ana.workspace.id, { name: 'take_time', actions: [{ type: 'wait', seconds: 30 }] });
  await seedAgent(db, ana.workspace.id, {
    name: 'slow',
    config: { prompt: { system: 'You are slow.' }, tools: ['take_time'] },
  });
  await seedAgent(db, ana.workspace.id, {
    name: 'broken',
    config: { prompt: { system: 'You are {{ 1 | nosuch }}.' } },
  });
}, 90_000);
afterAll(() => platform.close());

describe('the workflows that are shipped', () => {
  test('run one agent after the other', async () => {
    const answer = await user.run('analysis_code', { message: 'count 3 4 5', conversation_id: 'conv_mine' });
    expect(answer).toMatchObject({
      status: 200,
      body: { workflow_key: 'analysis_code', conversation_id: 'conv_mine' },
    });
    const [analysis, code, ...more] = stepsOf(answer);
    expect(more).toEqual([]);
    expect(analysis).toMatchObject({
      name: 'analysis',
      agent_key: 'data_analyst',
      stage_name: 'stage-1',
      branch_index: null,
    });
    expect(analysis?.response_text).toContain('count 3 4 5');
    expect(code).toMatchObject({ name: 'code', agent_key: 'code_assistant', parallel_group: null, response_id: null });
    expect(code?.response_text).toContain('I was asked');
    expect(answer.body['final_output']).toBe(code?.response_text);
    const detail = await user.get(runIdOf(answer));
    expect(detail.body).toMatchObject({
      ...{ status: 'succeeded', request_message: 'count 3 4 5', user_id: ana.userId, conversation_id: 'conv_mine' },
      ...{ final_output_text: code?.response_text, final_output_structured: null, steps: stepsOf(answer) },
    });
  });

  test('run both side by side, then make one answer', async () => {
    const answer = await user.run('analysis_parallel', 'hello');
    expect(answer.status).toBe(200);
    expect(stepsOf(answer)).toMatchObject([
      { name: 'analysis', stage_name: 'fanout', parallel_group: 'fanout', branch_index: 0 },
      { name: 'code', stage_name: 'fanout', parallel_group: 'fanout', branch_index: 1 },
      { name: 'synthesis', stage_name: 'synthesis', parallel_group: null, branch_index: null },
    ]);
    expect(answer.body['conversation_id']).toMatch(/^conv_/);
    expect(stepsOf(answer)[2]?.response_text).toContain('---');
  });

  test('are one run for one Idempotency-Key', async () => {
    const key = { 'idempotency-key': 'once' };
    const [first, twin] = await Promise.all([user.run('analysis_code', 'x', key), user.run('analysis_code', 'x', key)]);
    expect(twin.body).toEqual(first.body);
  });
});

describe('what people write', () => {
  test('guards leave out steps, mappers and reducers make inputs', async () => {
    await draw('careful', {
      stages: [
        {
          name: 'fan',
          mode: 'parallel',
          reducer: { count: { $expr: 'size(outputs)' }, first: '{{ outputs[0] }}' },
          steps: [
            { name: 'a', agent_key: 'data_analyst', guard: 'run.input.message.contains("numbers")' },
            { name: 'b', agent_key: 'data_analyst', input_mapper: 'only {{ input | upcase }}' },
            { name: 'c', agent_key: 'code_assistant', guard: 'size(text) > 2' },
          ],
        },
        { name: 'end', steps: [{ name: 'd', agent_key: 'slow', guard: 'steps.a != null' }] },
      ],
    });
    const answer = await user.run('careful', 'just words');
    expect(answer.status).toBe(200);
    expect(stepsOf(answer).map(({ name, branch_index: at }) => `${name} ${at}`)).toEqual(['b 1', 'c 2']);
    expect(stepsOf(answer)[0]?.response_text).toContain('only JUST WORDS');
    expect(answer.body['final_output']).toEqual({ count: 2, first: stepsOf(answer)[0]?.response_text });
    const detail = await user.get(runIdOf(answer));
    expect(detail.body['final_output_structured']).toEqual(answer.body['final_output']);
    expect(detail.body['final_output_text']).toBe(JSON.stringify(answer.body['final_output']));
  });

  test('schemas make structured outputs; nothing ran is nothing', async () => {
    const schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
    await draw('typed', {
      output_schema: schema,
      steps: [{ name: 'count', agent_key: 'data_analyst', output_schema: schema, guard: 'input != "skip"' }],
    });
    const answer = await user.run('typed', 'go');
    expect(answer).toMatchObject({
      status: 200,
      body: { output_schema: schema, final_output: { n: expect.any(Number) } },
    });
    expect(stepsOf(answer)[0]).toMatchObject({ output_schema: schema, structured_output: answer.body['final_output'] });
    await draw('none', { steps: [{ agent_key: 'data_analyst', guard: 'false' }] });
    expect(await user.run('none', 'go')).toMatchObject({ status: 200, body: { steps: [], final_output: null } });
  });

  test('the location is shared only with leave', async () => {
    await draw('where', {
      steps: [
        {
          agent_key: 'data_analyst',
          input_mapper: { $expr: '"in " + (has(run.input.location) ? run.input.location.city : "nowhere")' },
        },
      ],
    });
    const location = { city: 'Oslo', region: null };
    const hidden = await user.run('where', { message: 'x', location });
    expect(hidden.body['final_output']).toContain('in nowhere');
    const shared = await user.run('where', { message: 'x', location, share_location: true });
    expect(shared.body['final_output']).toContain('in Oslo');
  });

  test('an agent that is changed changes runs that begin later', async () => {
    const { db } = platform;
    await seedAgent(db, ana.workspace.id, { name: 'mood', config: { prompt: { system: 'You are Glad.' } } });
    await draw('moody', { steps: [{ agent_key: 'mood' }] });
    expect((await user.run('moody', 'hi')).body['final_output']).toContain('As Glad');
    const config = JSON.stringify({
      prompt: { system: 'You are Cross.', variables: [] },
      tools: [],
      handoffs: [],
      languages: [],
    });
    await db.updateTable('agents').set({ config }).where('name', '=', 'mood').execute();
    expect((await user.run('moody', 'hi')).body['final_output']).toContain('As Cross');
  });
});

describe('a run that fails', () => {
  test('by its own schemas or expressions is a 422 that names the step', async () => {
    await draw('misfit', { output_schema: { type: 'object' }, steps: [{ agent_key: 'data_analyst' }] });
    const misfit = await user.run('misfit', 'x');
    expect(misfit).toMatchObject({
      status: 422,
      body: { error_type: 'output_invalid', error: { details: [{ field: 'final_output' }] } },
    });
    await draw('unguarded', { steps: [{ agent_key: 'data_analyst', guard: 'input.missing' }] });
    const answer = await user.run('unguarded', 'x');
    expect(answer).toMatchObject({ status: 422, body: { error_type: 'expression_failed' } });
    expect((await user.get(runIdOf(answer))).body).toMatchObject({ status: 'failed', steps: [] });
    await draw('homeless', { steps: [{ agent_key: 'nobody' }] });
    expect(await user.run('homeless', 'x')).toMatchObject({
      status: 422,
      body: { error: { details: [{ field: 'steps.0.agent_key' }] } },
    });
  });

  test('otherwise is a 500 with the run and what went wrong, and an error at the end of its stream', async () => {
    const step = (name: string, agent: string) => ({ name, agent_key: agent });
    await draw('failing', {
      stages: [{ name: 'both', mode: 'parallel', steps: [step('good', 'data_analyst'), step('bad', 'broken')] }],
    });
    const answer = await user.run('failing', 'x');
    expect(answer).toMatchObject({
      status: 500,
      body: { error: { code: 'internal_error', message: expect.stringContaining('"bad"') } },
    });
    const told = await (await user.follow(runIdOf(answer))).until(() => false);
    expect(told.at(-1)).toMatchObject({
      event: 'error',
      data: { kind: 'error', is_terminal: true, payload: { error: expect.any(String) } },
    });
  });
});

const all = async (listening: Listening): Promise<readonly Message[]> => listening.until(() => false);
const field = (name: string) => (message: Message) => message.data?.[name];

describe('a stream', () => {
  test('tells a run from its acceptance to its end', async () => {
    const stream = await user.stream('analysis_parallel', { message: 'tell me' });
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({ 'content-type': 'text/event-stream', connection: 'keep-alive' });
    const told = await all(stream);
    expect(told[0]).toMatchObject({
      id: '1',
      event: 'lifecycle',
      data: { payload: { state: 'running' }, step_name: null },
    });
    expect(told.map(({ id }) => id)).toEqual(told.map((_, index) => String(index + 1)));
    expect(told.map(field('sequence_number'))).toEqual(told.map((_, index) => index + 1));
    expect(told.map(field('kind'))).toEqual(told.map(({ event }) => event));
    const runId = String(told[0]?.data?.['workflow_run_id']);
    const { body } = await user.get(runId);
    const terminal = told.filter(({ data }) => data?.['is_terminal'] === true);
    expect(terminal).toEqual([told.at(-1)]);
    expect(terminal[0]).toMatchObject({
      event: 'lifecycle',
      data: { response_text: body['final_output_text'], structured_output: null, payload: { state: 'completed' } },
    });
    const ofCode = told.filter(({ data }) => data?.['step_name'] === 'code');
    for (const { data } of ofCode)
      expect(data).toMatchObject({
        ...{ workflow_key: 'analysis_parallel', workflow_run_id: runId, conversation_id: body['conversation_id'] },
        ...{ stage_name: 'fanout', parallel_group: 'fanout', branch_index: 1, step_agent: 'code_assistant' },
      });
    const words = ofCode.filter(({ event }) => event === 'raw_response_event').map(field('text_delta'));
    const item = ofCode.find(({ event }) => event === 'run_item_stream_event');
    expect(words.join('')).toBe(item?.data?.['response_text']);
    const kinds = new Set(told.map(({ event }) => event));
    for (const kind of ['agent_updated_stream_event', 'usage']) expect(kinds).toContain(kind);
  });

  test('goes on behind any event, after the API was started anew, without a gap or a double', async () => {
    const first = await user.stream('analysis_code', { message: 'in two parts' });
    const begun = await first.until(({ event }) => event === 'run_item_stream_event');
    first.cut();
    const runId = String(begun[0]?.data?.['workflow_run_id']);
    const again = await startTestApi({ temporal: silentTemporal, database: platform });
    const rest = await all(await user.follow(runId, begun.at(-1)?.id, again.url));
    const whole = await all(await user.follow(runId, undefined, again.url));
    expect([...begun, ...rest]).toEqual(whole);
    for (const from of [1, 3, whole.length - 1, whole.length])
      expect(await all(await user.follow(runId, String(from)))).toEqual(whole.slice(from));
    await again.close();
  });

  test('is refused before it begins', async () => {
    expect((await user.stream('nothing', { message: 'x' })).status).toBe(404);
    expect((await user.stream('analysis_code', {})).status).toBe(422);
    expect((await user.follow('run_00000000000000000000000000')).status).toBe(404);
  });
});

test('a run that is cancelled begins no further step, whoever leaves or stays', async () => {
  await draw('slowly', {
    steps: [
      { name: 'first', agent_key: 'slow' },
      { name: 'second', agent_key: 'data_analyst' },
    ],
  });
  const stream = await user.stream('slowly', { message: 'take_time please' });
  const begun = await stream.until(({ event }) => event === 'agent_updated_stream_event');
  const runId = String(begun[0]?.data?.['workflow_run_id']);
  expect((await user.get(runId)).body).toMatchObject({ status: 'running', ended_at: null, steps: [] });
  expect((await stranger.cancel(runId)).status).toBe(404);
  expect(await user.cancel(runId)).toMatchObject({ status: 202, body: { success: true } });
  expect((await user.get(runId)).body).toMatchObject({ status: 'cancelled' });
  expect(await user.cancel(runId)).toMatchObject({ status: 409, body: { detail: 'Workflow run is not active' } });
  const told = await all(stream);
  expect(told.at(-1)).toMatchObject({
    event: 'lifecycle',
    data: { is_terminal: true, payload: { state: 'cancelled' } },
  });
  expect([...begun, ...told].filter(({ data }) => data?.['step_name'] === 'second')).toEqual([]);
  const listed = await user.list('?run_status=cancelled');
  expect(listed.body).toMatchObject({ items: [{ workflow_run_id: runId, step_count: 0 }] });
});

test('a caller that leaves does not stop the run', async () => {
  const left = new AbortController();
  const request = fetch(`${platform.url}/api/v1/workflows/analysis_code/run`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ana.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ message: 'and away', conversation_id: 'conv_away' }),
    signal: left.signal,
  }).catch(() => null);
  const find = (): Promise<Answered> => user.list('?conversation_id=conv_away');
  const itemsOf = ({ body }: Answered) => body['items'] as readonly { readonly status: string }[];
  await until(find, (answer) => itemsOf(answer).length > 0);
  left.abort();
  await request;
  const ended = await until(find, (answer) => itemsOf(answer)[0]?.status === 'succeeded');
  expect(itemsOf(ended)).toHaveLength(1);
});

test('runs of others are not there', async () => {
  const mine = runIdOf(await user.run('analysis_code', 'mine'));
  expect((await stranger.get(mine)).status).toBe(404);
  expect((await stranger.follow(mine)).status).toBe(404);
  expect((await stranger.run('careful', 'x')).status).toBe(404);
  expect((await stranger.list()).body).toMatchObject({ items: [], next_cursor: null });
});
