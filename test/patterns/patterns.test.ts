import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitToken } from '../../workflows/contract/ids.js';
import { raiseEvent, resolveWait } from '../../workflows/contract/messages.js';
import { inline, jsonOf } from '../../workflows/definition/values.js';
import { shuffled } from '../engine/driver.js';
import { checkLaws } from '../engine/laws.js';
import { stands } from '../support/graph-scenes.js';
import { agent, linePlan } from '../support/plans.js';
import { decide, openStage, toEnd, toFailure, type Heard, type Played, type Stage } from '../support/play.js';
import { cases, type Act, type Case } from './cases.js';
import { definitionNames, patternPlan } from './definitions.js';
import { playPurely } from './pure.js';

const caseOf = (name: string): Case => {
  const found = cases[name];
  if (found === undefined) throw new Error(`${name}.json has no case`);
  return found;
};

const inOrder = (words: readonly string[]): readonly string[] => words.toSorted((a, b) => a.localeCompare(b));
const sorted = (words: string): readonly string[] => inOrder(words.split(' '));

test('PATTERNS.md shows every definition, and every definition has a case', () => {
  const page = fs.readFileSync(fileURLToPath(new URL('../../../docs/PATTERNS.md', import.meta.url)), 'utf8');
  const linked = [...page.matchAll(/\(\.\.\/test\/patterns\/definitions\/([\w-]+)\.json\)/g)].map(
    ([, name = '']) => name,
  );
  expect(inOrder([...new Set(linked)])).toEqual(inOrder(definitionNames));
  expect(inOrder(Object.keys(cases))).toEqual(inOrder(definitionNames));
});

describe('in any order of what happens', () => {
  const names = definitionNames.filter((name) => cases[name]?.anyOrder !== undefined);

  test.each(names)('%s comes to the same', (name) => {
    const { anyOrder: ports = {}, input = 'in', done } = caseOf(name);
    const plan = patternPlan(name);
    for (let seed = 1; seed <= 20; seed += 1) {
      const played = playPurely({ plan, input, ports, pick: shuffled(seed) });
      checkLaws(plan, played);
      const left = played.happenings.filter(({ type }) => type === 'leave' || type === 'finish');
      const ids = left.map(({ visit }) => visit.nodeId).filter((id) => id !== 'start');
      expect(inOrder(ids)).toEqual(sorted(done));
    }
  });
});

describe('on the time-skipping server', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  }, 120_000);
  afterAll(() => stage.close());

  test.each(definitionNames)('%s', async (name) => {
    const { input = 'in', acts = [], ends = 'completed', done, output, withdrawn } = caseOf(name);
    const plan = patternPlan(name);
    const heard = await stage.play({
      plan,
      definitions: { wf_self: plan, wf_child: linePlan(agent('work')) },
      input: { input: inline(input), startedBy: 'cy' },
      act: async (played) => {
        for (const act of acts) await perform(played, act);
        await (ends === 'completed' ? toEnd(played) : toFailure(played));
      },
    });
    expect(heard.end?.status).toBe(ends);
    expect(nodesOf(heard, 'completed')).toEqual(sorted(done));
    if (withdrawn !== undefined) expect(nodesOf(heard, 'cancelled')).toEqual(sorted(withdrawn));
    if (output !== undefined) expect(heard.end).toMatchObject({ status: 'completed' });
    if (output !== undefined && heard.end?.status === 'completed') expect(jsonOf(heard.end.output)).toEqual(output);
  });
});

let events = 0;

async function perform({ handle, heard, runId }: Played, act: Act): Promise<void> {
  await stands(handle, ({ open }) => open.includes(act.once));
  if ('cancel' in act) {
    await idle(handle);
    return void (await handle.cancel());
  }
  if ('event' in act) {
    events += 1;
    const { event: name, payload = null } = act;
    return handle.signal(raiseEvent, { id: `e-${events}`, name, key: null, payload: inline(payload) });
  }
  const token = waitToken(runId, act.once);
  while (!heard.waits.includes(token)) await handle.describe();
  const [request] = decide('approve', token).args;
  await handle.executeUpdate(resolveWait, { args: [{ ...request, by: act.approve, as: [act.approve] }] });
}

/** The time-skipping server knows no cancellation of an activity that has just ended, and drops the task with it. */
async function idle(handle: Played['handle']): Promise<void> {
  while (((await handle.describe()).raw.pendingActivities ?? []).length > 0);
}

/** The nodes of the visits that ended so; what an activity did is told by itself. */
function nodesOf({ flushes, steps }: Heard, status: 'completed' | 'cancelled'): readonly string[] {
  const told = flushes.flatMap((flush) => flush.steps).filter((step) => step.status === status);
  const did = status === 'completed' ? steps.filter(({ node: { id } }) => !id.startsWith('bad')) : [];
  const visits = new Map([...told, ...did].map(({ key, nodeId }) => [key, nodeId]));
  return inOrder([...visits.values()].filter((id) => id !== 'start'));
}
