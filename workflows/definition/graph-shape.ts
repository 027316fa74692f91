import { choosingTypes, kindOfType, type Site } from './graph-configs.js';
import type { Way } from './graph-edges.js';
import { listenId } from './graph-nodes.js';
import type { GraphDocument } from './graph.js';

/** What a graph looks like as a whole: where it begins, what can be come to, who listens. */

export interface Shape {
  readonly document: GraphDocument;
  readonly sites: ReadonlyMap<string, Site>;
  readonly ways: readonly Way[];
}

export type Entry = { readonly id: string } | { readonly code: string; readonly problem: string };

/**
 * A trigger or start, else `root_agent`, else the only node that nothing leads to, else the only agent among those; in
 * a circle the first agent.
 */
export function entryOf({ document, sites, ways }: Shape): Entry {
  const undoing = new Set(document.nodes.map((node) => node.undo));
  const top = [...sites.values()].filter(({ node }) => node.within === undefined && !undoing.has(node.id));
  if (top.length === 0) return missingEntry;
  const hasExit = ({ node }: Site): boolean => ways.some((way) => way.from === node.id);
  const starts = top.filter(({ type }) => type === 'trigger' || type === 'start');
  const leading = starts.length > 1 ? starts.filter(hasExit) : starts;
  const [start, second] = leading;
  if (second !== undefined) return severalEntries(leading);
  if (start !== undefined && (hasExit(start) || top.length === 1)) return { id: start.node.id };
  const root = sites.get('root_agent');
  if (root !== undefined && top.includes(root)) return { id: 'root_agent' };
  return firstOf(
    top.filter((site) => !starts.includes(site)),
    ways,
  );
}

function firstOf(top: readonly Site[], ways: readonly Way[]): Entry {
  const first = top.filter(({ node }) => !ways.some((way) => way.to === node.id && way.from !== node.id));
  const agents = (first.length === 0 ? top : first).filter(({ type }) => type === 'instruction_agent');
  const [only] = first.length === 1 ? first : first.length === 0 || agents.length === 1 ? agents : [];
  if (only !== undefined) return { id: only.node.id };
  return first.length > 1 ? severalEntries(first) : missingEntry;
}

const missingEntry: Entry = {
  code: 'no_entry',
  problem: 'Say where it begins: add a trigger (or start), or an instruction_agent with the id root_agent.',
};

const severalEntries = (sites: readonly Site[]): Entry => ({
  code: 'several_entries',
  problem: `Say where it begins: ${sites.map(({ node }) => `"${node.id}"`).join(', ')} all could; lead one trigger (or start) to the others.`,
});

/** The nodes a run can come to; nodes that undo others are called by the engine. */
export function reachableFrom(entry: string, { sites, ways }: Shape): ReadonlySet<string> {
  const seen = new Set<string>();
  const queue = [entry];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const site = sites.get(id);
    if (site?.node.undo !== undefined) queue.push(site.node.undo);
    if (site?.type === 'map' || site?.type === 'loop') queue.push(site.config.entry);
    queue.push(...ways.filter((way) => way.from === id).map((way) => way.to));
  }
  return seen;
}

/** Agents that have conversations of their own; those of an automation may also be mere steps. */
export const talks = ({ type }: Site, engine: GraphDocument['engine']): boolean =>
  type === 'instruction_agent' || (engine === 'studio' && (type === 'agent' || type === 'flow-agent'));

/** What the nearest agent from a node on says first. */
export function greetingFrom(id: string, { sites, ways }: Shape): string | undefined {
  const seen = new Set<string>();
  const queue = [id];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const site = sites.get(next);
    if (seen.has(next) || site === undefined) continue;
    seen.add(next);
    if ('greeting' in site.config && site.config.greeting !== undefined) return site.config.greeting;
    queue.push(...ways.filter((way) => way.from === next).map((way) => way.to));
  }
  return undefined;
}

/**
 * Where a conversation goes on when a node leads nowhere: to the agent that led to it, so that its user can be heard.
 * In a studio that holds for every node but an end, in an automation for agents that talk, routers and decisions.
 */
export function listeners(shape: Shape): readonly (readonly [from: string, to: string])[] {
  const { document, sites, ways } = shape;
  const undoing = new Set(document.nodes.map((node) => node.undo));
  return [...sites.values()].flatMap((site): readonly (readonly [string, string])[] => {
    const { id } = site.node;
    if (undoing.has(id) || !returns(site, document.engine)) return [];
    if (ways.some((way) => way.from === id && way.port === 'out' && way.condition.type === 'always')) return [];
    const agent = nearestAgent(site, shape);
    return agent === null ? [] : [[id, listenId(agent)]];
  });
}

function returns(site: Site, engine: GraphDocument['engine']): boolean {
  const { type } = site;
  if (talks(site, engine) || type === 'router' || type === 'decision') return true;
  return engine === 'studio' && type !== 'end';
}

function nearestAgent(from: Site, { document, sites, ways }: Shape): string | null {
  const seen = new Set<string>();
  const queue = [from.node.id];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    const site = sites.get(id);
    if (seen.has(id) || site === undefined || site.node.within !== from.node.within) continue;
    seen.add(id);
    if (talks(site, document.engine)) return id;
    queue.push(...ways.filter((way) => way.to === id).map((way) => way.from));
  }
  return null;
}

export const isChoosing = ({ type }: Site): boolean => choosingTypes.includes(type);

/** Everything but a split follows the first of its ways. */
export const splits = ({ type }: Site): boolean => type === 'parallel';

/** Nodes that do something that can be undone, or undo it. */
export const isEffect = ({ type }: Site): boolean =>
  ['http', 'tool', 'code', 'llm', 'email', 'channel_send', 'webhook', 'instruction_agent', 'knowledge'].includes(
    kindOfType[type],
  );
