import { inScope, visitKey } from '../../workflows/contract/ids.js';
import type { NodeOf, Plan } from '../../workflows/definition/plan.js';
import { inline, type Value } from '../../workflows/definition/values.js';
import { edgesInto, nodeOf } from '../../workflows/engine/graph.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import type { Happening, Played } from './driver.js';

/** What holds of every run, whatever its plan and order. Written without the engine's own bookkeeping. */

interface Step {
  readonly plan: Plan;
  readonly before: RunState;
  readonly what: Happening;
  readonly after: RunState;
}

function must(holds: boolean, law: string, detail: unknown): void {
  if (!holds) throw new Error(`${law}: ${JSON.stringify(detail)}`);
}

const visitsOf = ({ ready, open }: RunState): readonly Visit[] => [...ready, ...Object.values(open)];
const textOf = (value: Value): string => JSON.stringify(value);

/** Checks a whole run, step by step. */
export function checkLaws(plan: Plan, { states, happenings }: Played): void {
  const used = new Set<string>(states[0]?.ready.map(visitKey));
  const sent = new Map<string, string[]>();
  happenings.forEach((what, index) => {
    const [before, after] = [states[index], states[index + 1]];
    if (before === undefined || after === undefined) throw new Error('a state is missing');
    const step = { plan, before, what, after };
    noteSent(step, sent);
    for (const visit of enteredIn(step)) {
      must(!used.has(visitKey(visit)), 'a visit key is used once', { visit, what });
      used.add(visitKey(visit));
      checkInput(step, visit, sent);
    }
    if (after.parked[visitKey(what.visit)] !== undefined) forgetInside(used, `${visitKey(what.visit)}/`);
    checkVanished(step);
    checkHouse(step);
  });
  const last = states.at(-1);
  if (last !== undefined) checkEnd(last, happenings.at(-1));
}

/** Starting a parked map or loop anew is the same visits again, under the same keys. */
function forgetInside(used: Set<string>, prefix: string): void {
  for (const key of used) if (key.startsWith(prefix)) used.delete(key);
}

function enteredIn({ before, after }: Step): readonly Visit[] {
  const known = new Set(visitsOf(before).map(visitKey));
  return visitsOf(after).filter((visit) => !known.has(visitKey(visit)));
}

const edgesTaken = ({ plan, what, after }: Step): readonly { readonly to: string; readonly value: Value }[] => {
  if (what.type === 'leave') return what.edges.map(({ to }) => ({ to, value: what.output }));
  if (what.type !== 'fail' || after.parked[visitKey(what.visit)] !== undefined) return [];
  const { onError } = nodeOf(plan, what.visit.nodeId).policy;
  const error = { ...what.error, node_id: what.error.node_id ?? what.visit.nodeId };
  const routed = inline({ error, node: what.visit.nodeId });
  const value = onError.action === 'fallback' ? inline(onError.value) : routed;
  return (what.edges ?? []).map(({ to }) => ({ to, value }));
};

const wayKey = (scope: string, from: string, join: string): string => `${inScope(scope, join)} from ${from}`;

/** What each join was sent and has not consumed, by `wayKey`. */
function noteSent(step: Step, sent: Map<string, string[]>): void {
  const { nodeId, scope } = step.what.visit;
  for (const to of new Set(edgesTaken(step).map((each) => each.to))) {
    const value = edgesTaken(step).find((each) => each.to === to)?.value ?? inline(null);
    const key = wayKey(scope, nodeId, to);
    sent.set(key, [...(sent.get(key) ?? []), textOf(value)]);
  }
}

function checkInput(step: Step, visit: Visit, sent: Map<string, string[]>): void {
  const { plan, before, after, what } = step;
  const frame = after.frames[visit.scope];
  if (frame !== undefined && before.frames[visit.scope] === undefined) {
    return must(textOf(frame.item) === textOf(visit.input), 'a body begins with its item', { visit, frame });
  }
  const node = nodeOf(plan, visit.nodeId);
  if (node.kind === 'join' && 'parts' in visit.input) return checkFiring(step, { visit, node, sent });
  const isGiven = edgesTaken(step).some(
    ({ to, value }) => to === visit.nodeId && textOf(value) === textOf(visit.input),
  );
  const law = 'what comes to a node was given by a visit that was under way, along an edge of its own frame';
  must(isGiven && what.visit.scope === visit.scope && before.open[visitKey(what.visit)] !== undefined, law, {
    visit,
    what,
  });
}

interface Firing {
  readonly visit: Visit;
  readonly node: NodeOf<'join'>;
  readonly sent: Map<string, string[]>;
}

function checkFiring(step: Step, { visit, node, sent }: Firing): void {
  const parts = 'parts' in visit.input ? visit.input.parts : {};
  for (const [source, value] of Object.entries(parts)) {
    const key = wayKey(visit.scope, source, node.id);
    const waiting = sent.get(key) ?? [];
    const at = waiting.indexOf(textOf(value));
    must(at >= 0, 'a join consumes what was sent to it, once', { visit, source });
    sent.set(
      key,
      waiting.filter((_, index) => index !== at),
    );
  }
  const sources = [...new Set(edgesInto(step.plan, node.id).map(({ from }) => from))];
  const need = node.config.need === 'all' ? sources.length : Math.min(node.config.need, sources.length);
  const missing = sources.filter((source) => parts[source] === undefined);
  if (sources.length - missing.length >= need || isInCycle(step.plan, node.id)) return;
  const hope = hopeOf(step, visit, missing);
  must(hope === undefined, 'a join fires with enough, or when no more can come', { visit, hope });
}

/** A token that could still bring the join what it lacks, without passing another join that waits. */
function hopeOf({ plan, after }: Step, fired: Visit, missing: readonly string[]): Visit | undefined {
  const { arrivals } = after.frames[fired.scope] ?? after;
  const closed = new Set([fired.nodeId, ...Object.keys(arrivals)]);
  return visitsOf(after).find(({ scope, nodeId, late = [] }) => {
    if (scope !== fired.scope || nodeId === fired.nodeId) return false;
    const reached = reachable(plan, nodeId, closed);
    return missing.some((source) => reached.has(source) && !late.includes(`${source}>${fired.nodeId}`));
  });
}

/** What may still come, but in the cycle's next round, is not waited for. */
const isInCycle = (plan: Plan, nodeId: string): boolean =>
  plan.edges.some((edge) => edge.from === nodeId && reachable(plan, edge.to, new Set()).has(nodeId));

function reachable(plan: Plan, from: string, closed: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set([from]);
  for (const id of found) {
    for (const edge of plan.edges) if (edge.from === id && !closed.has(edge.to)) found.add(edge.to);
  }
  return found;
}

/** Nothing that is due or under way is forgotten: it is withdrawn by somebody, or it stays. */
function checkVanished({ plan, before, what, after }: Step): void {
  if (after.end !== null) return;
  const left = new Set(visitsOf(after).map(visitKey));
  const gone = visitsOf(before).filter(
    (visit) => !left.has(visitKey(visit)) && visitKey(visit) !== visitKey(what.visit),
  );
  if (gone.length === 0) return;
  const withdraws = what.type === 'leave' && what.withdraws !== undefined;
  const cancels = visitsOf(after).some((visit) => {
    const node = nodeOf(plan, visit.nodeId);
    return node.kind === 'join' && node.config.cancelRest === true && before.open[visitKey(visit)] === undefined;
  });
  const hasFailed = gone.every((visit) => visit.scope !== '' && after.frames[visit.scope] === undefined);
  must(withdraws || cancels || hasFailed, 'nothing that is due or under way is forgotten', { gone, what });
}

/** Every record belongs to something that is there; maps and mutexes keep their limits. */
function checkHouse({ plan, after }: Step): void {
  const scopeOfKey = (key: string): string => key.split('/').slice(0, -1).join('/');
  const isThere = (scope: string): boolean => scope === '' || after.frames[scope] !== undefined;
  const kept = Object.keys(after.outputs).map(scopeOfKey);
  const scopes = [...kept, ...visitsOf(after).map(({ scope }) => scope)];
  must(scopes.every(isThere), 'frames leave nothing behind', scopes);
  must(
    [...Object.keys(after.parked), ...Object.keys(after.groups)].every((key) => after.open[key] !== undefined),
    'only what is open is parked or has a body',
    after,
  );
  for (const [owner, group] of Object.entries(after.groups)) {
    const node = nodeOf(plan, after.open[owner]?.nodeId ?? '');
    const running = Object.values(after.frames).filter((frame) => frame.owner === owner).length;
    must(running <= (node.kind === 'map' ? node.config.concurrency : 1), 'a map keeps its concurrency', {
      owner,
      running,
    });
    must(group.error === null || running === 0, 'a failed body has stopped', { owner });
  }
  must(
    Object.values(after.frames).every(({ owner, scope }) => after.groups[owner] !== undefined && isThere(scope)),
    'a frame has an owner',
    after.frames,
  );
  must(
    Object.keys(after.visits).every((id) => !id.includes('/')),
    'the root counts only its own visits',
    after.visits,
  );
  checkMutex(plan, after);
}

function checkMutex(plan: Plan, { open }: RunState): void {
  const holders = Object.values(open).filter(({ nodeId }) => nodeOf(plan, nodeId).mutex !== undefined);
  const clash = holders.find((one) =>
    holders.some(
      (other) =>
        other !== one &&
        nodeOf(plan, one.nodeId).mutex === nodeOf(plan, other.nodeId).mutex &&
        !one.scope.startsWith(`${visitKey(other)}/`) &&
        !other.scope.startsWith(`${visitKey(one)}/`),
    ),
  );
  must(clash === undefined, 'of one mutex only one runs', clash);
}

function checkEnd(state: RunState, last: Happening | undefined): void {
  if (state.end?.status !== 'completed' || last?.type === 'finish') return;
  const { ready, open, arrivals, frames, groups, parked } = state;
  const left = [ready, ...[open, arrivals, frames, groups, parked].map(Object.keys)].flat();
  must(left.length === 0, 'a run that ends by itself leaves nothing', left);
}
